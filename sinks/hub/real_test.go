package hub

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	c := startHub(t)
	for name, full := range map[string]bool{"full": true, "metadata": false} {
		t.Run(name, func(t *testing.T) {
			sinktest.RunState(t, func(t *testing.T) (pipeline.Sink, func() []sinks.Held) {
				s := open(t, c.Config(), c.NewNamespace(t), func(o *Options) { o.Full = full })
				return s, func() []sinks.Held { return held(t, s) }
			})
		})
	}
}

func TestOutages(t *testing.T) {
	c := startHub(t)
	sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
		p, err := c.NewProxy()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, p.Config(), c.NewNamespace(t), func(o *Options) { o.Timeout = 5 * time.Second })
		return sinktest.Stand{
			Sink: s, Held: func() []sinks.Held { return held(t, s) },
			Stop: p.Cut, Start: func() { must(p.Restore()) },
			Hang: func() { must(p.BlackHole()) }, Resume: func() { must(p.Restore()) },
		}
	})
}
