package selection

import _ "embed"

// pod is one as API servers send them, of two containers.
//
//go:embed testdata/pod.json
var pod string
