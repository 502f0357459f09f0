package app

import (
	"maps"
	"net/http"
	"slices"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// flagsInEffect returns the flags of fairlead run and their values now, also those of
// the configuration file and the defaults. Credentials are in files that they name; what
// looks like one is left out nevertheless.
func (p *program) flagsInEffect() []api.Flag {
	s, r := p.changes.now(), redact.New()
	given := map[string]bool{}
	for _, f := range s.given {
		given[f.name] = true
	}
	flags := []api.Flag{}
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		flags = append(flags, api.Flag{Name: name, Value: r.CleanAll(s.values[name]), Given: given[name]})
	}
	return flags
}

func (a *admin) serveFlags(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, http.StatusOK, a.flags())
}
