package pgserver

import "context"

// Lookup has a server find the addresses of hosts in another way, for tests.
func (s *Server) Lookup(lookup func(ctx context.Context, host string) ([]string, error)) {
	s.lookup = lookup
}
