package httpsink

import (
	"sync"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// stuck counts how often in a row a batch has failed as a whole. The batcher brings it
// again with the same change in front. Others may get through meanwhile.
type stuck struct {
	mu    sync.Mutex
	heads map[pipeline.Key]int
}

// mostHeads bounds how many are counted.
const mostHeads = 1024

// next returns the number of the attempt that begins.
func (s *stuck) next(head pipeline.Key) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads[head] + 1
}

// failed counts an attempt, and returns its number.
func (s *stuck) failed(head pipeline.Key) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heads == nil || len(s.heads) >= mostHeads {
		s.heads = map[pipeline.Key]int{}
	}
	s.heads[head]++
	return s.heads[head]
}

func (s *stuck) passed(head pipeline.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heads, head)
}
