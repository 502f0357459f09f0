package app

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testnats"
)

// TestFaultsOfKafkaAreNoDeadLetters is [TestFaultsOfADestinationAreNoDeadLetters] for a fake
// of Kafka.
func TestFaultsOfKafkaAreNoDeadLetters(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	login := []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "root", "root"), kfake.Superuser("PLAIN", "me", "right")}
	t.Run("wrong login", func(t *testing.T) {
		writeFile(t, password, "another-one")
		k := startKafka(t, append(login, kfake.SeedTopics(1, "fairlead"))...)
		noDeadLetters(t, k.sink()+"&mechanism=plain&user=me&password-file="+password, "as it may for a wrong user, password", nil,
			func() { writeFile(t, password, "right") })
		k.holds(5)
	})
	t.Run("missing topic", func(t *testing.T) {
		k := startKafka(t)
		noDeadLetters(t, k.sink(), "the topic does not exist", nil, k.makeTopic)
		k.holds(5)
	})
	t.Run("restart", func(t *testing.T) {
		k := startKafka(t, kfake.SeedTopics(1, "fairlead"))
		noDeadLetters(t, k.sink(), "connection refused", func() { k.Close() }, k.run)
		k.holds(10)
	})
}

// kafkaBroker is a fake that keeps its data and its port over restarts.
type kafkaBroker struct {
	*kfake.Cluster
	t    *testing.T
	port int
	opts []kfake.Opt
}

func startKafka(t *testing.T, opts ...kfake.Opt) *kafkaBroker {
	t.Helper()
	k := &kafkaBroker{t: t, port: loopback.Keep(t)}
	k.opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.Ports(k.port), kfake.DataDir(t.TempDir()), kfake.SyncWrites()}, opts...)
	k.run()
	t.Cleanup(func() { k.Close() })
	return k
}

func (k *kafkaBroker) run() {
	fake, err := kfake.NewCluster(k.opts...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.Cluster = fake
}

func (k *kafkaBroker) sink() string {
	return "kafka://127.0.0.1:" + strconv.Itoa(k.port) + "/fairlead?tls=false&timeout=10s"
}

func (k *kafkaBroker) makeTopic() {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		k.t.Fatal(err)
	}
	defer client.Close()
	ask := kmsg.NewPtrCreateTopicsRequest()
	ask.TimeoutMillis = 60_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "fairlead", 1, 1
	ask.Topics = append(ask.Topics, topic)
	if answer, err := ask.RequestWith(k.t.Context(), client); err != nil || answer.Topics[0].ErrorCode != 0 {
		k.t.Fatalf("make the topic: %+v, %v", answer, err)
	}
}

// holds checks how many records there are. Some may be there twice.
func (k *kafkaBroker) holds(least int64) {
	k.t.Helper()
	n := int64(0)
	for _, p := range k.PartitionInfos("fairlead") {
		n += p.HighWatermark
	}
	if n < least {
		k.t.Errorf("the topic holds %d records, want %d", n, least)
	}
}

// TestFaultsOfNATSAreNoDeadLetters is [TestFaultsOfADestinationAreNoDeadLetters] for a server
// of NATS, with a stream and with a bucket.
func TestFaultsOfNATSAreNoDeadLetters(t *testing.T) {
	for mode, missing := range map[string]string{"stream": "no stream takes the subject", "kv": "the bucket does not exist"} {
		t.Run(mode+", wrong login", func(t *testing.T) {
			password := filepath.Join(t.TempDir(), "password")
			writeFile(t, password, "another-one")
			n := startNATS(t, "right")
			n.make()
			noDeadLetters(t, n.sink(mode)+"&user=me&password-file="+password, "; correct user, password-file", nil,
				func() { writeFile(t, password, "right") })
			n.holds(mode, 5)
		})
		t.Run(mode+", missing", func(t *testing.T) {
			n := startNATS(t, "")
			noDeadLetters(t, n.sink(mode), missing, nil, n.make)
			n.holds(mode, 5)
		})
		t.Run(mode+", restart", func(t *testing.T) {
			n := startNATS(t, "")
			n.make()
			noDeadLetters(t, n.sink(mode), "connection refused", n.stop, n.run)
			n.holds(mode, 10)
		})
	}
}

// natsServer is a server that keeps its data and its port over restarts.
type natsServer struct {
	*testnats.Server
	t *testing.T
}

// startNATS starts a server. With a password only user "me" may log in.
func startNATS(t *testing.T, password string) *natsServer {
	t.Helper()
	return startNATSIn(t, t.TempDir(), password)
}

// startNATSIn is startNATS with a folder for its data.
func startNATSIn(t *testing.T, dir, password string) *natsServer {
	t.Helper()
	n := &natsServer{testnats.New(t), t}
	n.Options.StoreDir = dir
	if password != "" {
		n.Options.Username, n.Options.Password = "me", password
	}
	n.run()
	return n
}

func (n *natsServer) run()  { n.Start(n.t) }
func (n *natsServer) stop() { n.Kill() }

func (n *natsServer) sink(mode string) string {
	return "nats://" + n.Address() + "/fairlead?tls=false&timeout=10s&mode=" + mode
}

// as calls do with a connection of an administrator.
func (n *natsServer) as(do func(jetstream.JetStream)) {
	n.t.Helper()
	conn, err := nats.Connect("nats://"+n.Address(), nats.UserInfo(n.Options.Username, n.Options.Password), nats.Timeout(time.Minute))
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		n.t.Fatal(err)
	}
	do(js)
}

// make makes the stream and the bucket.
func (n *natsServer) make() {
	n.as(func(js jetstream.JetStream) {
		if _, err := js.CreateStream(n.t.Context(), jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"fairlead.>"}}); err != nil {
			n.t.Fatal(err)
		}
		if _, err := js.CreateKeyValue(n.t.Context(), jetstream.KeyValueConfig{Bucket: "fairlead"}); err != nil {
			n.t.Fatal(err)
		}
	})
}

// holds checks how many messages there are. Some may be there twice.
func (n *natsServer) holds(mode string, least uint64) {
	n.t.Helper()
	name := map[string]string{"stream": "fairlead", "kv": "KV_fairlead"}[mode]
	n.as(func(js jetstream.JetStream) {
		stream, err := js.Stream(n.t.Context(), name)
		if err != nil {
			n.t.Fatal(err)
		}
		if got := stream.CachedInfo().State.Msgs; got < least {
			n.t.Errorf("%s holds %d messages, want %d", name, got, least)
		}
	})
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
