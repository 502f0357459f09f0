package postgres

import "context"

// Codes are those that errors.go has rules about.
func Codes() (all []string) {
	for _, r := range rules {
		all = append(all, r.code)
	}
	return all
}

// Purge removes what is due.
func (s *Sink) Purge(ctx context.Context) error { return s.purge(ctx) }

// Clean is clean.
func Clean(object []byte) ([]byte, bool) { return clean(object) }

// Payload is payload.
var Payload = payload
