package nats_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
	"github.com/fairlead-dev/fairlead/internal/testnats"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a real server, in this process, and a line to it that can have faults.
type place struct {
	*testnats.Server
	t    testing.TB
	line *tcpline.Line
	addr string // of the line
}

// start returns a server with JetStream, stream fairlead and bucket fairlead.
func start(t testing.TB, with func(*server.Options)) *place {
	t.Helper()
	p := &place{t: t, Server: testnats.New(t)}
	p.Options.MaxPayload = 1 << 20
	if with != nil {
		with(&p.Options)
	}
	p.run()
	p.line = tcpline.New(p.Address())
	p.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(loopback.Keep(t)))
	if err := p.line.Open(p.addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.line.Cut)
	return p
}

func (p *place) run()  { p.Start(p.t) }
func (p *place) stop() { p.Kill() }

// as calls do with a connection of an administrator.
func (p *place) as(do func(jetstream.JetStream), opts ...client.Option) {
	p.t.Helper()
	conn, err := client.Connect(p.ClientURL(), append(opts, client.Timeout(time.Minute))...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		p.t.Fatal(err)
	}
	do(js)
}

func (p *place) make(opts ...client.Option) *place {
	p.t.Helper()
	p.as(func(js jetstream.JetStream) {
		_, err := js.CreateStream(p.t.Context(), jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"fairlead.>"}})
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := js.CreateKeyValue(p.t.Context(), jetstream.KeyValueConfig{Bucket: "fairlead"}); err != nil {
			p.t.Fatal(err)
		}
	}, opts...)
	return p
}

// messages reads all that the stream holds.
func (p *place) messages(opts ...client.Option) (all []*jetstream.RawStreamMsg) {
	p.t.Helper()
	p.as(func(js jetstream.JetStream) {
		stream, err := js.Stream(p.t.Context(), "fairlead")
		if err != nil {
			p.t.Fatal(err)
		}
		state := stream.CachedInfo().State
		for seq := max(state.FirstSeq, 1); seq <= state.LastSeq; seq++ {
			m, err := stream.GetMsg(p.t.Context(), seq)
			if err != nil {
				p.t.Fatal(err)
			}
			all = append(all, m)
		}
	}, opts...)
	return all
}

func (p *place) events() (all []pipeline.Event) {
	for _, m := range p.messages() {
		e, err := pipeline.ParseEvent(m.Data)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// held reads the bucket back with the sink, and checks that the store's own client sees
// the same keys.
func (p *place) held(s *nats.KV) (all []sinks.Held) {
	p.t.Helper()
	for _, resource := range []string{"configmaps", "clusterroles.rbac.authorization.k8s.io"} {
		err := s.ReadBack(p.t.Context(), "alpha", resource, func(h sinks.Held) error {
			all = append(all, h)
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	p.as(func(js jetstream.JetStream) {
		bucket, err := js.KeyValue(p.t.Context(), "fairlead")
		if err != nil {
			p.t.Fatal(err)
		}
		lister, err := bucket.ListKeys(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		n := 0
		for range lister.Keys() {
			n++
		}
		if n != len(all) {
			p.t.Errorf("the bucket has %d keys, and %d were read back", n, len(all))
		}
	})
	return all
}

func (p *place) options(with func(*nats.Options)) nats.Options {
	o := nats.Options{Servers: []string{p.addr}, Stream: "fairlead"}
	if with != nil {
		with(&o)
	}
	return o
}

func open(t testing.TB, p *place, with func(*nats.Options)) *nats.Sink {
	t.Helper()
	s, err := nats.New(p.options(with))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openKV(t testing.TB, p *place, with func(*nats.Options)) *nats.KV {
	t.Helper()
	s, err := nats.NewKV(p.options(with))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sequences(events []pipeline.Event, name string) string {
	var all []uint64
	for _, e := range events {
		if e.Name == name {
			all = append(all, uint64(e.Sequence))
		}
	}
	return fmt.Sprint(all)
}
