# From a definition: for each optional field of the spec an object without it, one where it is null, and, if it is a
# string, one where it is empty; called f0-absent, f0-null, f0-empty, f1-absent …
def required($name): (.required // []) | index($name);
def least:
  . as $schema
  | if .properties then .properties | with_entries(select(.key as $key | $schema | required($key))) | map_values(least)
    elif .type == "object" then {}
    elif .type == "array" then [.items | least]
    elif .enum then .enum[0]
    elif .type == "integer" then .minimum // 1
    elif .type == "boolean" then false
    elif (.pattern // "") | startswith("^https?") then "http://a.example.test/update"
    else "a1a1a1a1a1a1a1a1" end;
# optional: [[path, schema], …] of the optional fields, and of those in them.
def optional:
  . as $schema
  | (.properties // {}) | to_entries[]
  | .key as $key | .value as $field
  | (if $schema | required($key) then empty else [[$key], $field.type] end),
    ($field | optional | [[$key] + .[0], .[1]]),
    ($field.items // {} | optional | [[$key, 0] + .[0], .[1]]);
# schema_at: of the value at a path.
def schema_at($path): reduce $path[] as $step (.; if $step == 0 then .items else .properties[$step] end);
.spec.names.kind as $kind
| .spec.versions[0].schema.openAPIV3Schema.properties.spec as $spec
| [$spec | optional] | to_entries[]
| .key as $number | .value[0] as $path | .value[1] as $type
# All that the field is in.
| reduce range(1; $path | length) as $length ($spec | least;
    $path[:$length] as $above
    | if getpath($above) == null then setpath($above; $spec | schema_at($above) | least) else . end)
| if $kind == "MachineType" and .flavor == {} and $path[0] != "flavor" then .flavor = {requirements: {}} else . end
| delpaths([$path]) as $absent
| {absent: $absent, null: ($absent | setpath($path; null))}
  + (if $type == "string" then {empty: ($absent | setpath($path; ""))} else {} end)
| to_entries[]
| {apiVersion: "testnode.dev/v1alpha1", kind: $kind,
   metadata: ({name: "f\($number)-\(.key)", annotations: {path: ($path | map(tostring) | join("."))}}), spec: .value}
