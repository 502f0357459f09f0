package postgres

import "context"

// Rule is a rule of errors.go, for tests.
type Rule struct {
	Code  string
	Never bool
}

// Rules are those of errors.go.
func Rules() (all []Rule) {
	for _, r := range rules {
		all = append(all, Rule{r.code, r.never})
	}
	return all
}

// Purge removes what is due.
func (s *Sink) Purge(ctx context.Context) error { return s.purge(ctx) }

// Clean is clean.
func Clean(object []byte) ([]byte, bool) { return clean(object) }

// Payload is payload.
var Payload = payload
