package app

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// errSteppedDown ends a program that is to be started again: one that has led does not lead twice.
var errSteppedDown = errors.New("stepped down, as it was asked to; start it again, and it follows")

// stepDown is whether a leader has been asked to give way.
type stepDown struct {
	once  sync.Once
	asked chan struct{} // closed when it has
}

func (s *stepDown) ask() { s.once.Do(func() { close(s.asked) }) }

// watch has end called once it has been asked to, until ctx ends.
func (s *stepDown) watch(ctx context.Context, end context.CancelCauseFunc) {
	select {
	case <-s.asked:
		end(errSteppedDown)
	case <-ctx.Done():
	}
}

// gaveWay is the end of a program that has drained and released the lock, if it was asked to step
// down. It waits until another one leads, so that the one that is started in its place is not
// the first to take the lock. ctx ends when the program is asked to end.
func (p *program) gaveWay(ctx, run context.Context) error {
	if !errors.Is(context.Cause(run), errSteppedDown) {
		return nil
	}
	next := p.election.Successor(ctx)
	select {
	case <-ctx.Done():
		return nil
	default:
		p.log.Info("Stepped down", "leader", next)
		return errSteppedDown
	}
}

// serveStepDown has the leader drain, release the lock and end.
func (a *admin) serveStepDown(r *http.Request) (int, any) {
	q, err := parameters(r, "by")
	by := q.Get("by")
	if err = errors.Join(err, checkOrderText("by", by, mostOrderText)); err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	if a.election == nil {
		return http.StatusConflict, api.Error{Error: "there is no election, and nobody to take over: this program was started without --leader-elect"}
	}
	a.log.Info("Stepping down, as it was asked to", "by", by)
	a.stepDown()
	return http.StatusAccepted, a.election
}
