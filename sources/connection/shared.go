package connection

import (
	"context"
	"sync"
)

// shared has callers that want the same read share it, if it has not begun when they come:
// what a read tells is never older than the question. So the streams of a member, which may
// be hundreds and ask what it serves at the same moment, cost two reads and not hundreds.
type shared[T any] struct {
	mu      sync.Mutex
	waiting map[string]*sharedRead[T] // those that have not begun
}

type sharedRead[T any] struct {
	done   chan struct{} // closed when what follows is set
	result T
	err    error
	lost   bool // the caller that was to read has gone
}

// do returns what read returns for a key. Turn waits until a read may begin and returns what
// ends it. It fails with the cause of ctx when that ends first. The result belongs to all
// callers: nobody may change it.
func (s *shared[T]) do(ctx context.Context, key string, turn func(context.Context) (end func(), err error), read func(context.Context) (T, error)) (T, error) {
	for {
		r, first := s.join(key)
		if first {
			return s.lead(ctx, key, r, turn, read)
		}
		select {
		case <-r.done:
			if !r.lost {
				return r.result, r.err
			}
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}

func (s *shared[T]) join(key string) (r *sharedRead[T], first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r = s.waiting[key]; r != nil {
		return r, false
	}
	r = &sharedRead[T]{done: make(chan struct{}), lost: true}
	if s.waiting == nil {
		s.waiting = map[string]*sharedRead[T]{}
	}
	s.waiting[key] = r
	return r, true
}

// lead reads for all that have joined until it is its turn.
func (s *shared[T]) lead(ctx context.Context, key string, r *sharedRead[T], turn func(context.Context) (func(), error), read func(context.Context) (T, error)) (T, error) {
	defer close(r.done) // also when it panics: the others read for themselves then
	end, err := turn(ctx)
	s.mu.Lock()
	delete(s.waiting, key)
	s.mu.Unlock()
	if err != nil {
		return r.result, context.Cause(ctx)
	}
	defer end()
	result, err := read(ctx)
	if ctx.Err() != nil {
		return result, err // which says nothing to others
	}
	r.result, r.err, r.lost = result, err, false
	return result, err
}
