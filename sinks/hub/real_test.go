package hub

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
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

// A record that is larger than what etcd takes, 1.5 MiB, is refused by itself.
func TestPoison(t *testing.T) {
	c := startHub(t)
	sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
		s := open(t, c.Config(), c.NewNamespace(t))
		return sinktest.Stand{Sink: s, Held: func() []sinks.Held { return held(t, s) }}, func(c *pipeline.Change) {
			c.Object = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","data":{"k":%q}}`, strings.Repeat("x", 2<<20))
		}
	})
}

func TestOutages(t *testing.T) {
	c := startHub(t)
	sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		config := rest.CopyConfig(c.Config())
		host, listens := strings.TrimPrefix(config.Host, "https://"), fmt.Sprint("127.0.0.1:", loopback.Keep(t))
		config.Host = "https://" + listens
		line := tcpline.New(host)
		must(line.Open(listens))
		t.Cleanup(line.Cut)
		namespace := c.NewNamespace(t)
		openOne := func(timeout time.Duration) *Sink {
			return open(t, config, namespace, func(o *Options) { o.Timeout = timeout })
		}
		s := openOne(5 * time.Second)
		var sent int64
		return sinktest.Stand{
			Sink: s, Held: func() []sinks.Held { return held(t, s) },
			Stop: line.Cut, Start: func() { must(line.Open(listens)) },
			Hang: func() {
				line.Set(tcpline.Faults{Stalled: true})
				sent = line.Sent()
			},
			Resume: func() { line.Set(tcpline.Faults{}) },
			Waits:  func() bool { return line.Sent() > sent },
			Open:   func() pipeline.Sink { return openOne(30 * time.Second) },
		}
	})
}
