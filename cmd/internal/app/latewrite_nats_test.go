package app

import (
	"context"
	"encoding/json"
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
	address := server.Address()
	line, listens := lineTo(t, address)
	answers := countAnswers(t, address)
	return &comparing{
		sink:  "nats://" + listens + "/fairlead?tls=false&mode=kv",
		line:  line,
		marks: func() map[string]lateMark { return bucketMarks(t, server) },
		arrival: func() func() bool {
			before := answers.all.Load()
			return func() bool { return answers.all.Load() > before }
		},
		refused: func() int { return int(answers.refused.Load()) },
	}
}

// answered counts what a NATS server has answered to who publishes: all of it, and that a
// key had another revision than the one that was to be replaced.
type answered struct{ all, refused atomic.Int64 }

func countAnswers(t *testing.T, address string) *answered {
	t.Helper()
	n := new(answered)
	conn := must(nats.Connect("nats://" + address))(t)
	t.Cleanup(conn.Close)
	_, err := conn.Subscribe("_INBOX.>", func(m *nats.Msg) {
		var answer struct {
			Stream string
			Error  *jetstream.APIError
		}
		if json.Unmarshal(m.Data, &answer) != nil || answer.Stream == "" {
			return
		}
		if answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			n.refused.Add(1)
		}
		n.all.Add(1)
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
