package app

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// startLateBucket starts a NATS server with a bucket. Whoever asks it there may read the
// answers to everybody.
func startLateBucket(t *testing.T, _ *testenv.Cluster) *comparing {
	server := startNATS(t, "")
	server.make()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(server.opts.Port))
	line, listens := lineTo(t, address)
	refused := countRefusals(t, address)
	return &comparing{
		sink:  "nats://" + listens + "/fairlead?tls=false&mode=kv",
		line:  line,
		marks: func() map[string]lateMark { return bucketMarks(t, server) },
		arrival: func() func() bool {
			before := refused.Load()
			return func() bool { return refused.Load() > before }
		},
	}
}

// countRefusals counts the answers that a key has another revision than the one that was
// to be replaced.
func countRefusals(t *testing.T, address string) *atomic.Int64 {
	t.Helper()
	n := new(atomic.Int64)
	conn := must(nats.Connect("nats://" + address))(t)
	t.Cleanup(conn.Close)
	_, err := conn.Subscribe("_INBOX.>", func(m *nats.Msg) {
		var answer struct{ Error *jetstream.APIError }
		if json.Unmarshal(m.Data, &answer) == nil && answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			n.Add(1)
		}
	})
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// bucketMarks are those of all keys.
func bucketMarks(t *testing.T, server *natsServer) map[string]lateMark {
	t.Helper()
	all := map[string]lateMark{}
	server.as(func(js jetstream.JetStream) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		bucket := must(js.KeyValue(ctx, "fairlead"))(t)
		watcher := must(bucket.WatchAll(ctx))(t)
		for entry := range watcher.Updates() {
			if entry == nil { // That was all.
				break
			}
			e := must(replay.Parse(entry.Value()))(t)
			all[e.Name] = lateMark{e.Term, e.ResourceVersion}
		}
		if err := watcher.Stop(); err != nil {
			t.Fatal(err)
		}
	})
	return all
}
