package spec

import "strings"

// Before returns a name, such as that of a sink or a ledger, as it stands before what is
// said of it: with one colon, also where it ends in one, as stdout: does.
func Before(name string) string { return strings.TrimSuffix(name, ":") + ":" }
