package nats_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/tcpline"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// A server that swallows what it is sent leaves time for the others, and is not asked
// again.
func TestServerThatSwallowsConnections(t *testing.T) {
	p := start(t, nil).make()
	s := open(t, p, func(o *nats.Options) {
		o.Servers, o.Timeout = []string{"away:4222", p.addr}, 20*time.Second // away has five of them
	})
	asked := 0
	s.SetDial(func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "away:4222" {
			asked++
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	})
	for i := range 2 {
		if err := s.Write(t.Context(), []*pipeline.Change{change("a", uint64(i+1), 9)}); err != nil {
			t.Error(err)
		}
		s.Disconnect()
	}
	if asked == 0 || asked > 2 {
		t.Errorf("the server that is away was asked %d times", asked)
	}
	s = open(t, p, func(o *nats.Options) { o.Servers, o.Timeout = []string{"away:4222"}, time.Second })
	s.SetDial(func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
	sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 3, 9)}), "away:4222")
}

// The first server takes connections, but has no JetStream.
func TestServerThatIsOfNoUse(t *testing.T) {
	bare, p := start(t, func(o *server.Options) { o.JetStream = false }), start(t, nil).make()
	both := func(o *nats.Options) { o.Servers, o.Timeout = []string{bare.addr, p.addr}, 20*time.Second }
	batch := []*pipeline.Change{change("a", 1, 9)}
	s := open(t, p, both)
	sinktest.Fails(t, s.Write(t.Context(), batch))
	if err := s.Write(t.Context(), batch); err != nil {
		t.Errorf("stream: %v", err)
	}
	if err := openKV(t, p, both).Write(t.Context(), batch); err != nil {
		t.Errorf("bucket: %v", err)
	}
}

// The first server answers nothing any more.
func TestServerThatGoesMute(t *testing.T) {
	for name, open := range map[string]func(*place, func(*nats.Options)) pipeline.Sink{
		"stream": func(p *place, with func(*nats.Options)) pipeline.Sink { return open(t, p, with) },
		"bucket": func(p *place, with func(*nats.Options)) pipeline.Sink { return openKV(t, p, with) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			mute, p := start(t, nil).make(), start(t, nil).make()
			sink := open(p, func(o *nats.Options) { o.Servers, o.Timeout = []string{mute.addr, p.addr}, 8*time.Second })
			if err := sink.Write(t.Context(), []*pipeline.Change{change("b", 1, 9)}); err != nil {
				t.Fatal(err)
			}
			mute.line.Set(tcpline.Faults{Mute: true})
			sinktest.Fails(t, sink.Write(t.Context(), []*pipeline.Change{change("b", 2, 9)}), "within 8s")
			if err := sink.Write(t.Context(), []*pipeline.Change{change("b", 2, 9)}); err != nil {
				t.Errorf("after the server answers nothing: %v", err)
			}
			if kv, ok := sink.(*nats.KV); ok {
				if held := p.held(kv); len(held) != 1 || held[0].Sequence != 2 {
					t.Errorf("the bucket of the other server has %v", held)
				}
			} else if got := sequences(p.events(), "b"); got != "[2]" {
				t.Errorf("of b the other server has %s", got)
			}
		})
	}
}

// With the rights that docs/sinks/nats.md lists, and no others, a bucket is written and
// read back that is so large that the server asks whether the reader keeps up.
func TestRightsToReadBack(t *testing.T) {
	allow := []string{
		"$KV.fairlead.>", "$JS.API.STREAM.INFO.KV_fairlead", "$JS.API.DIRECT.GET.KV_fairlead.>", "$JS.API.STREAM.MSG.GET.KV_fairlead",
		"$JS.API.CONSUMER.>", "$JS.FC.KV_fairlead.>",
	}
	p := start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "admin"}, {Username: "me", Password: secret, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: allow}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	}).make(client.UserInfo("admin", "admin"))
	s := choose(t, "nats://"+p.addr+"/fairlead?tls=false&mode=kv&user=me&password-file="+file(t, secret)).(*nats.KV)
	var batch []*pipeline.Change
	for i := range 1500 {
		batch = append(batch, change(strings.Repeat("n", 1+i%40)+"-"+string(rune('a'+i%26))+"-"+ordinals(i), 1, 8_000))
	}
	if err := errors.Join(s.Write(t.Context(), batch), s.Check(t.Context())); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := s.ReadBack(t.Context(), "alpha", "configmaps", func(sinks.Held) error { n++; return nil }); err != nil || n != len(batch) {
		t.Errorf("read back %d of %d: %v", n, len(batch), err)
	}
}

func ordinals(i int) string {
	return string([]byte{byte('a' + i/676), byte('a' + i/26%26), byte('a' + i%26)})
}

// What a check has no right to does not end the connection of the writes.
func TestCheckHasItsOwnConnection(t *testing.T) {
	p := start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "admin"}, {Username: "me", Password: secret, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"fairlead.>"}}}}}
	}).make(client.UserInfo("admin", "admin"))
	s := choose(t, "nats://"+p.addr+"/fairlead?tls=false&user=me&password-file="+file(t, secret)).(*nats.Sink)
	connection := func() (all []uint64) {
		t.Helper()
		conns, err := p.Connz(&server.ConnzOptions{Username: true, User: "me"})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conns.Conns {
			all = append(all, c.Cid)
		}
		return all
	}
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Fatal(err)
	}
	before := connection()
	sinktest.Fails(t, s.Check(t.Context()), "may not do that")
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 2, 9)}); err != nil {
		t.Fatal(err)
	}
	for _, id := range connection() {
		if len(before) == 1 && id == before[0] {
			return
		}
	}
	t.Errorf("the connection %v of the writes has become %v", before, connection())
}

// A bucket that drops keys by itself is not written: an object that does not change would
// vanish from it.
func TestBucketsThatForget(t *testing.T) {
	for name, tc := range map[string]struct {
		with jetstream.StreamConfig
		want string
	}{
		"TTL":         {jetstream.StreamConfig{MaxAge: time.Hour}, "TTL"},
		"discard old": {jetstream.StreamConfig{Discard: jetstream.DiscardOld, MaxBytes: 1 << 20}, "discard"},
		"messages":    {jetstream.StreamConfig{Discard: jetstream.DiscardOld, MaxMsgs: 100}, "discard"},
	} {
		p := start(t, nil).make()
		config := tc.with
		config.Name, config.Subjects, config.AllowRollup, config.MaxMsgsPerSubject = "KV_fairlead", []string{"$KV.fairlead.>"}, true, 1
		p.as(func(js jetstream.JetStream) {
			if err := js.DeleteStream(t.Context(), "KV_fairlead"); err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
		})
		s := openKV(t, p, nil)
		sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), tc.want, "KV_fairlead")
		sinktest.Fails(t, s.Check(t.Context()), tc.want, "KV_fairlead")
		p.as(func(js jetstream.JetStream) {
			config.MaxAge, config.MaxBytes, config.MaxMsgs = 0, 0, 0
			if _, err := js.UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
		})
		if err := errors.Join(s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), s.Check(t.Context())); err != nil {
			t.Errorf("%s, after it is corrected: %v", name, err)
		}
	}
	p := start(t, nil)
	p.as(func(js jetstream.JetStream) {
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "fairlead", Storage: jetstream.MemoryStorage}); err != nil {
			t.Fatal(err)
		}
	})
	s := openKV(t, p, nil)
	sinktest.Fails(t, s.Check(t.Context()), "in memory")
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Errorf("a bucket in memory: %v", err)
	}
}
