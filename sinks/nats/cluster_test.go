package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testnats"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
)

// cluster is three servers, which keep stream and bucket fairlead three times.
type cluster [3]*place

// startCluster starts three servers that find each other.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	var routes [3]string
	var ports [3]int
	for i := range routes {
		ports[i] = loopback.Keep(t)
		routes[i] = fmt.Sprint("nats-route://127.0.0.1:", ports[i])
	}
	all := new(cluster)
	for i := range all {
		p := &place{t: t, Server: testnats.New(t)}
		p.addr = p.Address()
		p.Options.ServerName = fmt.Sprint("n", i)
		p.Options.Cluster = server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: ports[i]}
		p.Options.Routes = server.RoutesFromStr(strings.Join(routes[:], ","))
		p.run()
		all[i] = p
	}
	testserver.Poll(t, "three servers have a leader that knows them", func() bool {
		return all.which(func(s *server.Server) bool { return len(s.JetStreamClusterPeers()) == len(all) }) >= 0
	})
	all[0].as(func(js jetstream.JetStream) {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"fairlead.>"}, Replicas: len(all)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "fairlead", Replicas: len(all)}); err != nil {
			t.Fatal(err)
		}
	})
	return all
}

// which returns the index of a server of which something is so, or -1.
func (c *cluster) which(is func(*server.Server) bool) int {
	for i, p := range c {
		if is(p.Server.Server) {
			return i
		}
	}
	return -1
}

// leader waits until a server that runs leads a stream, and returns its index.
func (c *cluster) leader(stream string) (i int) {
	testserver.Poll(c[0].t, "the stream has a leader", func() bool {
		i = c.which(func(s *server.Server) bool { return s.Running() && s.JetStreamIsStreamLeader("$G", stream) })
		return i >= 0
	})
	return i
}

// Of three servers the one that leads the stream ends while changes are written: those that
// were accepted are there, and the writes go on with the others.
func TestLeaderOfTheStreamEnds(t *testing.T) {
	const batches, objects, before = 24, 25, 8
	for _, tc := range []struct{ name, stream string }{{"stream", "fairlead"}, {"bucket", "KV_fairlead"}} {
		t.Run(tc.name, func(t *testing.T) {
			c := startCluster(t)
			leader := c.leader(tc.stream)
			// The leader is the server that is asked first.
			servers := func(o *nats.Options) {
				o.Servers = nil
				for i := range c {
					o.Servers = append(o.Servers, c[(leader+i)%len(c)].addr)
				}
			}
			var sink pipeline.Sink
			if tc.name == "stream" {
				sink = open(t, c[0], servers)
			} else {
				sink = openKV(t, c[0], servers)
			}
			accepted := make(chan int)
			go func() {
				defer close(accepted)
				for n := range batches {
					var batch []*pipeline.Change
					for i := range objects {
						batch = append(batch, change(fmt.Sprint("o", i), uint64(n+1), 2000))
					}
					persist(t, sink, batch)
					select {
					case accepted <- n:
					case <-t.Context().Done():
						return
					}
				}
			}()
			for n := range accepted {
				if n == before { // with the next batch under way
					c[leader].stop()
				}
			}
			next := c.leader(tc.stream)
			if next == leader {
				t.Fatal("the server that was stopped leads the stream")
			}
			last := map[string]uint64{}
			if kv, is := sink.(*nats.KV); is {
				testserver.Poll(t, "the bucket is read back", func() bool {
					clear(last)
					return kv.ReadBack(t.Context(), "alpha", "configmaps", func(h sinks.Held) error {
						last[h.Key.Name] = h.Sequence
						return nil
					}) == nil
				})
			} else {
				seen := map[string]bool{}
				for _, e := range c[next].events() {
					seen[fmt.Sprint(e.Name, "/", e.Sequence)] = true
					last[e.Name] = max(last[e.Name], uint64(e.Sequence))
				}
				if len(seen) != batches*objects {
					t.Errorf("the stream has %d of %d changes that were accepted", len(seen), batches*objects)
				}
			}
			for i := range objects {
				if got := last[fmt.Sprint("o", i)]; got != batches {
					t.Errorf("of o%d it has %d, want %d", i, got, batches)
				}
			}
		})
	}
}

// persist writes a batch until it is accepted, as who uses a sink does. What fails is never
// refused for good.
func persist(t *testing.T, sink pipeline.Sink, batch []*pipeline.Change) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := sink.Write(ctx, batch)
		partial, ok := errors.AsType[*pipeline.BatchError](err)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			t.Errorf("waited in vain for a batch to be accepted: %v", err)
			return
		case pipeline.IsPermanent(err):
			t.Errorf("%v: refused for good", err)
			return
		case ok:
			for _, err := range partial.Failed {
				if pipeline.IsPermanent(err) {
					t.Errorf("%v: refused for good", err)
				}
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}
