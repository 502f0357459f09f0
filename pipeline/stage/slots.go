package stage

import "sync"

// slots lets at most so many through at once.
type slots struct {
	mu     sync.Mutex
	room   sync.Cond // on mu
	most   int
	inside int
}

func newSlots(most int) *slots {
	s := &slots{most: most}
	s.room.L = &s.mu
	return s
}

// enter waits until there is room.
func (s *slots) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.inside >= s.most {
		s.room.Wait()
	}
	s.inside++
}

func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside--
	s.room.Signal()
}

// set changes how many may be inside. Those that are stay there.
func (s *slots) set(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most > s.most {
		s.room.Broadcast()
	}
	s.most = most
}
