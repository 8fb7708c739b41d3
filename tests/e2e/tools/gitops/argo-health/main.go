// argo-health prints what a health script of Argo CD makes of the objects on standard input, one JSON document after
// another: a line `STATUS message` for each. Argo CD runs such scripts with the same interpreter.
//
//	argo-health SCRIPT
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "argo-health:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: argo-health SCRIPT")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	documents := json.NewDecoder(os.Stdin)
	for {
		var object any
		if err := documents.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		status, message, err := health(string(script), object)
		if err != nil {
			return err
		}
		fmt.Println(status, message)
	}
}

// health runs the script with the object as the global `obj`; it returns a table with status and message.
func health(script string, object any) (string, string, error) {
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", luajson.DecodeValue(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", errors.New("the script returns no table")
	}
	return table.RawGetString("status").String(), table.RawGetString("message").String(), nil
}
