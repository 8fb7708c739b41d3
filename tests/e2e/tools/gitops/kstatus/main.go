// kstatus prints what Flux's kstatus makes of the objects on standard input, one JSON document after another: a line
// `STATUS message` for each.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	documents := json.NewDecoder(os.Stdin)
	for {
		var raw json.RawMessage
		err := documents.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return
		}
		object := unstructured.Unstructured{}
		if err == nil {
			// Not the plain decoder: integers must stay integers.
			err = object.UnmarshalJSON(raw)
		}
		var result *status.Result
		if err == nil {
			result, err = status.Compute(&object)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "kstatus:", err)
			os.Exit(1)
		}
		fmt.Println(result.Status, result.Message)
	}
}
