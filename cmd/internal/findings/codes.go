package findings

import (
	"slices"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Code is one thing that can be found.
type Code struct {
	Code     string // FL and four digits
	Severity api.Severity
	Title    string // in a few words
	Meaning  string
	Impact   string
	Do       string // one sentence: the first thing to do
	Commands []string
}

// Codes are all that there are, in the order of their numbers: FL10 is about clusters, FL11
// about streams, FL12 about lanes, FL13 about sinks, FL14 about the ledger, FL15 about the
// election, FL16 about the configuration, FL17 about the check itself.
func Codes() []Code { return codes }

var byCode = func() map[string]*Code {
	all := map[string]*Code{}
	for i := range codes {
		all[codes[i].Code] = &codes[i]
	}
	return all
}()

var codes = slices.Concat(codesOfMembers, codesOfProgram)
