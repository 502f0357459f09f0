package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testnats"
)

// natsToken is what clients of NATS log in with.
const natsToken = "a-token-of-chaos"

// askFor bounds what is asked of NATS, so that servers that have ended are asked again. A
// cluster that has no leader yet does not answer, so that it is asked again sooner at first.
const (
	askFor     = 30 * time.Second
	askAtFirst = time.Second
)

// jetStream is a NATS server in this process, or a cluster of some, with streams on files.
type jetStream struct {
	nodes  []*natsNode
	stream string                 // that the destination is
	token  atomic.Pointer[string] // that the servers know; others look while a fault changes it
	gone   *natsNode              // the one that is away, while one is
}

// natsNode is one of the servers.
type natsNode struct {
	way
	server *testnats.Server
}

// startNATS starts so many servers for a destination, with a stream of that name, which
// create makes. The sink's value ends in params.
func startNATS(t testing.TB, d *destination, servers int, stream, params string, create func(context.Context, jetstream.JetStream) error) *jetStream {
	t.Helper()
	for range servers - 1 {
		d.further = append(d.further, newWay(t))
	}
	s := &jetStream{stream: stream, nodes: natsNodes(t, d.ways())}
	token := natsToken
	s.token.Store(&token)
	s.start(t)
	s.await(t, create)

	file := filepath.Join(t.TempDir(), "token")
	if err := replaceFile(file, natsToken); err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, n := range s.nodes {
		hosts = append(hosts, n.listens)
	}
	d.server, d.addr = s, s.nodes[0].server.Address()
	d.sink = "nats://" + strings.Join(hosts, ",") + "/" + topicName + "?tls=false&timeout=5s&token-file=" + file + "&name=" + theDestination + params
	d.more = map[kind]stroke{
		destinationFull: s.full(),
		// The token is another one, and the file of it is not renewed yet.
		destinationDenies: {
			func(context.Context) error { return s.know("another-" + natsToken) },
			func(context.Context) error { return s.know(natsToken) },
		},
	}
	if servers > 1 {
		d.takeover = &takeover{
			move:    s.failOver,
			restore: func(ctx context.Context) error { return d.rig.Do(ctx, s.comeBack) },
		}
	}
	return s
}

// natsNodes returns servers that ways lead to. Several are a cluster.
func natsNodes(t testing.TB, ways []way) (nodes []*natsNode) {
	var routes []*url.URL
	for i, w := range ways {
		n := &natsNode{w, testnats.New(t)}
		o := &n.server.Options
		o.ServerName, o.SyncAlways, o.MaxPayload, o.Authorization = fmt.Sprint("node-", i), true, 8<<20, natsToken
		if len(ways) > 1 {
			o.Cluster = natsserver.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Port: loopback.Keep(t)}
			routes = append(routes, &url.URL{Scheme: "nats-route", Host: address(o.Cluster.Port)})
		}
		w.line.Lead(n.server.Address())
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.server.Options.Routes = slices.Clone(routes)
	}
	return nodes
}

func (s *jetStream) start(t testing.TB) {
	t.Helper()
	for _, n := range s.nodes {
		n.server.Start(t)
	}
}

// Start starts the servers with what they had.
func (s *jetStream) Start(t testing.TB) {
	t.Helper()
	s.start(t)
	s.await(t, s.leads)
}

// Kill ends the servers and all connections.
func (s *jetStream) Kill(testing.TB) {
	for _, n := range s.nodes {
		n.server.Kill()
	}
}

// leads fails if the stream has no leader.
func (s *jetStream) leads(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.Stream(ctx, s.stream)
	return err
}

// await is until for what is started.
func (s *jetStream) await(t testing.TB, do func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	if err := s.until(t.Context(), do); err != nil {
		t.Fatal(err)
	}
}

// until calls do until it succeeds: a cluster has to find a leader first.
func (s *jetStream) until(ctx context.Context, do func(context.Context, jetstream.JetStream) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("NATS has not done what it was asked for within %v", patience))
	defer cancel()
	limit := askAtFirst
	return lab.WaitUntil(ctx, failoverWatch, func() error {
		once, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		limit *= 2
		return s.as(once, do)
	})
}

// know has the servers know another token, and end connections with the one before.
func (s *jetStream) know(token string) error {
	for _, n := range s.nodes {
		n.server.Options.Authorization = token
		options := n.server.Options
		if err := n.server.ReloadOptions(&options); err != nil {
			return fmt.Errorf("change the token of the NATS server: %w", err)
		}
	}
	s.token.Store(&token)
	return nil
}

// full is a fault in which the stream takes no message more.
func (s *jetStream) full() stroke {
	var before jetstream.StreamConfig
	update := func(ctx context.Context, change func(jetstream.StreamConfig) jetstream.StreamConfig) error {
		return s.as(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			now, err := js.Stream(ctx, s.stream)
			if err == nil {
				_, err = js.UpdateStream(ctx, change(now.CachedInfo().Config))
			}
			return err
		})
	}
	return stroke{
		func(ctx context.Context) error {
			return update(ctx, func(c jetstream.StreamConfig) jetstream.StreamConfig {
				before = c
				c.MaxMsgs, c.Discard = 1, jetstream.DiscardNew
				return c
			})
		},
		func(ctx context.Context) error {
			return update(ctx, func(jetstream.StreamConfig) jetstream.StreamConfig { return before })
		},
	}
}

// failOver ends the server that leads the stream, so that another one has to.
func (s *jetStream) failOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return lab.WaitUntil(ctx, failoverWatch, func() error {
		for _, n := range s.nodes {
			if n.server.JetStreamIsStreamLeader(natsserver.DEFAULT_GLOBAL_ACCOUNT, s.stream) {
				s.gone = n
				n.server.Kill()
				n.line.Cut()
				return nil
			}
		}
		return errors.New("no NATS server leads the stream")
	})
}

// comeBack has that server back.
func (s *jetStream) comeBack(t testing.TB) {
	s.gone.server.Start(t)
	if err := s.gone.open(); err != nil {
		t.Fatal(err)
	}
	s.await(t, s.leads)
}

// as calls do with a connection beside the lines.
func (s *jetStream) as(ctx context.Context, do func(context.Context, jetstream.JetStream) error) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var urls []string
	for _, n := range s.nodes {
		urls = append(urls, "nats://"+n.server.Address())
	}
	conn, err := client.Connect(strings.Join(urls, ","), client.Token(*s.token.Load()), client.NoReconnect(), client.Timeout(askFor))
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return do(ctx, js)
}
