package sources

import (
	"fmt"

	"github.com/fairlead-dev/fairlead/sources/connection"
)

// Retrying says what of a member is tried again now.
type Retrying struct {
	// Connection is where the connection stood when it was asked for, and Connects whether the
	// member is probed: it was not live.
	Connection connection.Status
	Connects   bool
	// Streams are those that have begun their next attempt before its time, as they were given to
	// --watch. Those of a member that is not live begin once it is.
	Streams []string
}

// RetryNow has a member tried again now that waits for the next attempt: its connection, its streams,
// and what finds out what wildcards stand for. No attempt comes sooner than ReconnectMin after the one
// before, however often this is called, and connections of a fleet stand in their line. It changes
// nothing of a member that waits for none. It does not block, and may be called from any goroutine.
// The error wraps ErrUnknownCluster.
func (s *Sources) RetryNow(cluster string) (r Retrying, err error) {
	s.mu.Lock()
	m, ok := s.presentLocked(cluster)
	if !ok {
		s.mu.Unlock()
		return r, fmt.Errorf("try cluster %q again: %w; there are: %s", cluster, ErrUnknownCluster, enumerate(s.names()))
	}
	conn, streams, survey := m.conn, m.streams, m.survey
	s.mu.Unlock()
	r.Connection = conn.Status()
	r.Connects = conn.RetryNow()
	for _, st := range streams {
		if st.RetryNow() {
			r.Streams = append(r.Streams, st.Name())
		}
	}
	if survey != nil && survey.RetryNow() {
		r.Streams = append(r.Streams, survey.Status().Wildcards...)
	}
	return r, nil
}
