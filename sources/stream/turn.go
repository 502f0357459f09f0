package stream

import "context"

// turn is held from observing a state to the end of its Offer, so that what is
// offered last is what was observed last: the queue lets it replace the other.
// Besides the stream itself, retries offer states. It holds one token; it is no
// mutex, since Offer blocks.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn. waiting is called before that if it has to.
func (t turn) take(ctx context.Context, waiting func()) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	waiting()
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) end() { <-t }
