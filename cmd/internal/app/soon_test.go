package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// A fault has to be named within ten seconds, which are a hundred beats where nothing else
// runs. The test allows twice as many: that others use half of the machine is no fault.
const (
	mostBeats = 200
	oneBeat   = 100 * time.Millisecond
)

// soon is how soon a fault has to be named. A beat is a tenth of a second and
// a request to an API server, one after the other: where the machine has no time for the
// program that is tested, nor for the API servers that it asks, beats take longer as well.
type soon struct {
	context.Context //nolint:containedctx // It is one itself, which ends with the last beat.

	began time.Time
	beats atomic.Int32
}

// soon begins now.
func (s *stand) soon(t *testing.T) *soon {
	within := &soon{began: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), patience) // if the API server stands still
	within.Context = ctx
	maps := must(typedcorev1.NewForConfig(s.env.Cluster("beta").Config()))(t).ConfigMaps(s.ns)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		tick := time.NewTicker(oneBeat)
		defer tick.Stop()
		for within.beats.Load() < mostBeats {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if _, err := maps.Get(ctx, "b", metav1.GetOptions{}); err == nil { // else it takes longer still
				within.beats.Add(1)
			}
			tick.Reset(oneBeat)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return within
}

// String tells how long it has been.
func (s *soon) String() string {
	return fmt.Sprintf("%v, %d of %d beats", time.Since(s.began).Round(time.Millisecond), s.beats.Load(), mostBeats)
}
