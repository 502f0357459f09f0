package selection

import _ "embed"

// pod is one of two containers, as API servers send them.
//
//go:embed testdata/pod.json
var pod string
