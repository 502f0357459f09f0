package nats_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/tcpline"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	t.Run("stream", func(t *testing.T) {
		sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
			p := start(t, nil).make()
			return open(t, p, nil), p.events
		})
	})
	t.Run("bucket", func(t *testing.T) {
		sinktest.RunState(t, func(t *testing.T) (pipeline.Sink, func() []sinks.Held) {
			p := start(t, nil).make()
			s := openKV(t, p, nil)
			return s, func() []sinks.Held { return p.held(s) }
		})
	})
}

func TestOutages(t *testing.T) {
	short := func(o *nats.Options) { o.Timeout = 2 * time.Second }
	stand := func(p *place) sinktest.Stand {
		var sent int64
		return sinktest.Stand{
			Stop: p.stop, Start: p.run,
			Hang: func() {
				p.line.Set(tcpline.Faults{Mute: true})
				sent = p.line.Sent()
			},
			Waits:  func() bool { return p.line.Sent() > sent },
			Resume: func() { p.line.Set(tcpline.Faults{}) },
		}
	}
	t.Run("stream", func(t *testing.T) {
		sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
			p := start(t, nil).make()
			s := stand(p)
			s.Sink, s.Events = open(t, p, short), p.events
			s.Open = func() pipeline.Sink { return open(t, p, short) }
			return s
		})
	})
	t.Run("bucket", func(t *testing.T) {
		sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
			p := start(t, nil).make()
			s, kv := stand(p), openKV(t, p, short)
			s.Sink, s.Held = kv, func() []sinks.Held { return p.held(kv) }
			s.Open = func() pipeline.Sink { return openKV(t, p, short) }
			return s
		})
	})
}

// A message of more than the server's max_payload is refused by itself.
func TestPoison(t *testing.T) {
	enlarge := func(c *pipeline.Change) {
		c.Object = fmt.Appendf(nil, `{"data":{"k":%q}}`, strings.Repeat("x", 2<<20))
	}
	t.Run("stream", func(t *testing.T) {
		sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
			p := start(t, nil).make()
			return sinktest.Stand{Sink: open(t, p, nil), Events: p.events}, enlarge
		})
	})
	t.Run("bucket", func(t *testing.T) {
		sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
			p := start(t, nil).make()
			s := openKV(t, p, nil)
			return sinktest.Stand{Sink: s, Held: func() []sinks.Held { return p.held(s) }}, enlarge
		})
	})
}
