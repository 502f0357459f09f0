package sources

import "github.com/fairlead-dev/fairlead/sources/stream"

// Paused says what of the members is paused, beside what their descriptions say. The queues
// of the routes are told on their own what they are to hold, see queue.Hold.
type Paused struct {
	// Clusters have no connection. They go on with what they know when they are resumed: their
	// watches resume, or if that is too long ago take a snapshot.
	Clusters map[string]bool
	// Held are resources, with their groups, by cluster, of which no route takes anything.
	Held map[string][]string
	// Stopped are such resources that have no watch either.
	Stopped map[string][]string
}

// SetPaused pauses what p says, also of members that come later, and resumes what was
// paused before and is not in p. It does not block. p is not changed after.
func (s *Sources) SetPaused(p Paused) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = p
	for _, r := range s.members {
		s.pauseLocked(r)
	}
}

// pauseLocked pauses what is to be paused of a member.
func (s *Sources) pauseLocked(r *member) {
	if r.config.Limits.Paused || s.paused.Clusters[r.name] {
		r.conn.Pause()
	} else {
		r.conn.Resume()
	}
	for _, st := range r.streams {
		s.pauseStreamLocked(r, st)
	}
}

func (s *Sources) pauseStreamLocked(r *member, st *stream.Stream) {
	var of map[string]stream.Pause
	note := func(resources []string, so stream.Pause) {
		for _, resource := range resources {
			if of == nil {
				of = map[string]stream.Pause{}
			}
			of[resource] = so
		}
	}
	note(s.paused.Held[r.name], stream.Held)
	note(s.paused.Stopped[r.name], stream.Stopped)
	st.SetPaused(of)
}
