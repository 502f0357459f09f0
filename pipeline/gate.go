package pipeline

import "sync"

// gate lets at most so many through at once.
type gate struct {
	mu     sync.Mutex
	room   sync.Cond // on mu
	most   int
	inside int
}

func newGate(most int) *gate {
	g := &gate{most: most}
	g.room.L = &g.mu
	return g
}

// enter waits until there is room.
func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.inside >= g.most {
		g.room.Wait()
	}
	g.inside++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.room.Signal()
}

// set changes how many may be inside. Those that are stay there.
func (g *gate) set(most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if most > g.most {
		g.room.Broadcast()
	}
	g.most = most
}
