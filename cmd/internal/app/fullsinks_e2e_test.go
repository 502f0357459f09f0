package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testenv/volume"
	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

// fullSink is a sink whose destination is soon full.
type fullSink struct {
	sink string
	says string // part of the cause
	// full does what leaves it no room, and room what it needs to go on; nil: the volume is all.
	full, room func()
	// names returns the ConfigMaps that it has, in any order and more than once; nil: see check.
	names func() []string
	// check checks that it has so many; nil: see names.
	check func(n int)
}

// TestSinksOnFullDisks runs the program with destinations that have no byte left: real servers
// on a real small volume, the records of a hub whose etcd has used up its quota, and, of Kafka, a
// fake that answers as a broker with a full disk does. The status and the log name the cause of
// each, nothing becomes a dead letter, and once there is room all has arrived.
func TestSinksOnFullDisks(t *testing.T) {
	volume.Inside(t, 64<<20, testSinksOnFullDisks)
}

func testSinksOnFullDisks(t *testing.T, dir string) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"}, testenv.Spec{Name: "hub", EtcdFlags: []string{"--quota-backend-bytes=16777216"}})
	o := newObjects(t, env.Cluster("alpha"), env.Cluster("alpha").NewNamespace(t))
	all := fullSinks(t, dir, env.Cluster("hub"))
	dead := filepath.Join(t.TempDir(), "dead")
	flags := []string{"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace=" + o.namespace,
		"--drain-timeout=0s", "--dead-letter=" + dead}
	names := map[string]string{} // by identity
	for name, f := range all {
		flags = append(flags, "--sink="+f.sink)
		names[must(new(Options).sinkKinds().Parse(f.sink))(t).Identity] = name
	}
	log := &logFile{to: outputOf(t)}
	r := startLogged(t, parseWith(t, Options{}, flags...), newRecorder(), log)
	delivered := func(n int) {
		t.Helper()
		r.awaitScrape(fmt.Sprint("each sink has accepted ", n), func(m *scrape) bool {
			for identity := range names {
				if m.total("fairlead_sink_changes_total", fmt.Sprintf("result=%q,sink=%q", "accepted", identity)) < float64(n) {
					return false
				}
			}
			return true
		})
		for name, f := range all {
			if f.check != nil {
				f.check(n)
				continue
			}
			got := f.names()
			for i := range n {
				if !slices.Contains(got, fmt.Sprint("large-", i)) {
					t.Errorf("%s has %v, want %d", name, got, n)
					break
				}
			}
		}
	}
	large(o, 0)
	delivered(1)

	ballast := filepath.Join(dir, "ballast")
	if err := fillVolume(ballast, true); err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.full != nil {
			f.full()
		}
	}
	const n = 10
	for i := 1; i < n; i++ {
		large(o, i)
	}
	var last []string
	defer func() {
		if t.Failed() {
			t.Log(strings.Join(last, "\n"))
		}
	}()
	r.await("each sink tells its cause", func() bool {
		last = last[:0]
		for _, status := range r.program.status(time.Now()).Sinks {
			if name := names[status.Name]; !tellsOf(status, all[name].says) {
				last = append(last, fmt.Sprintf("%s, which is to say %q: %+v", name, all[name].says, status))
			}
		}
		return len(last) == 0
	})
	for name, f := range all {
		if !strings.Contains(log.text(), f.says) {
			t.Errorf("%s: the log does not say %q", name, f.says)
		}
	}

	if err := fillVolume(ballast, false); err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.room != nil {
			f.room()
		}
	}
	delivered(n)
	for _, status := range r.program.status(time.Now()).Sinks {
		if !status.Status.Healthy {
			t.Errorf("%s with all delivered: %+v", names[status.Name], status)
		}
	}
	if !isEmpty(dead) || r.scrape().total("fairlead_sink_changes_total", `result="dead_lettered"`) != 0 {
		t.Error("there are dead letters")
	}
}

// tellsOf reports whether a sink is shown as failing, and why.
func tellsOf(status api.Sink, cause string) bool {
	return !status.Status.Healthy && status.Attempts > 0 && strings.Contains(status.LastError, cause)
}

// large makes a ConfigMap that needs room: what is random cannot be compressed.
func large(o *objects, i int) {
	o.t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // Any numbers do.
	var b strings.Builder
	for range 8192 {
		fmt.Fprintf(&b, "%016x", random.Uint64())
	}
	_, err := o.client.Create(o.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("large-", i)}, Data: map[string]string{"large": b.String()}}, metav1.CreateOptions{})
	o.check(err)
}

// fullSinks are sinks of all kinds that have a disk, each by its name. Those of servers that are
// not built here are left out, unless they are required.
func fullSinks(t *testing.T, dir string, hub *testenv.Cluster) map[string]fullSink {
	own := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	all := map[string]fullSink{
		"file": fullFile(t, own("file")), "postgres": fullPostgres(t, own("postgres")),
		"nats, stream": fullNATS(t, own("stream"), "stream"), "nats, bucket": fullNATS(t, own("bucket"), "kv"),
		"http": fullHTTP(t, own("http")), "kafka": fullKafka(t), "hub": fullHub(t, hub),
	}
	for name, server := range map[string]struct {
		program *testprogram.Program
		start   func(*testing.T, string) fullSink
	}{"s3": {testsinks.VersityGW, fullS3}, "otlp": {testsinks.Otelcol, fullOTLP}} {
		if _, err := server.program.Find(); err != nil && os.Getenv(testsinks.RequireEnv) == "" {
			t.Logf("without %s: %v", name, err)
			continue
		}
		all[name] = server.start(t, own(name))
	}
	return all
}

func fullFile(t *testing.T, dir string) fullSink {
	path := filepath.Join(dir, "changes.jsonl")
	return fullSink{sink: "file:" + path, says: "no space left on device", names: func() []string {
		return eventNames(string(must(os.ReadFile(path))(t)))
	}}
}

// eventNames returns the names of the events of a text of JSON lines.
func eventNames(text string) (all []string) {
	for line := range strings.Lines(text) {
		var e struct{ Name string }
		if json.Unmarshal([]byte(line), &e) == nil { // else it is half a line, of a write that failed
			all = append(all, e.Name)
		}
	}
	return all
}

// fullPostgres has the tables on the volume. What else the server has, such as its log of
// transactions, is elsewhere: without room for that it would end.
func fullPostgres(t *testing.T, dir string) fullSink {
	p := testdb.StartPostgres(t)
	testdb.Give(t, dir)
	runSQL(t, p, `CREATE TABLESPACE small LOCATION '`+dir+`'`)
	runSQL(t, p, `ALTER ROLE postgres SET default_tablespace = small`)
	return fullSink{
		sink: "postgres://postgres@" + p.Addr() + "/postgres?sslmode=disable&password-file=" + testdb.File(t, "password", []byte(p.Password)),
		says: "make room on the server's disk",
		check: func(n int) {
			runSQL(t, p, fmt.Sprintf(`DO $$ BEGIN ASSERT (SELECT count(*) FROM fairlead_objects WHERE name LIKE 'large-%%') = %d; END $$`, n))
		},
	}
}

// fullNATS has what JetStream stores on the volume. A server whose volume is full answers no
// write, and takes none before it is started again.
func fullNATS(t *testing.T, dir, mode string) fullSink {
	s := startNATSIn(t, dir, "")
	s.make()
	return fullSink{
		sink: strings.Replace(s.sink(mode), "timeout=10s", "timeout=1s", 1), says: "whether its disk is full",
		room: func() {
			s.stop()
			s.run()
		},
		check: func(n int) { s.holds(mode, uint64(n)) },
	}
}

// fullHTTP is a VictoriaLogs, which takes nothing while less than 10 MB are free. It writes to
// the volume only when it has to: without room it would end.
func fullHTTP(t *testing.T, dir string) fullSink {
	server := testlogs.StartVictoriaLogs(t, "-storageDataPath="+filepath.Join(dir, "data"), "-inmemoryDataFlushInterval=1h")
	return fullSink{
		sink: server.URL + "?format=victorialogs", says: "because of lack of free disk space",
		check: func(n int) { server.Await(t, `{cluster="alpha"} name:"large-"* | uniq by (name)`, n) },
	}
}

// fullKafka is full by its word alone: it is that of a broker that cannot write to its disk.
func fullKafka(t *testing.T) fullSink {
	k := startKafka(t, kfake.SeedTopics(1, "fairlead"))
	var refusal *kfake.FaultHandle
	return fullSink{
		sink: strings.Replace(k.sink(), "timeout=10s", "timeout=1s", 1), says: "KAFKA_STORAGE_ERROR",
		full: func() {
			refusal = k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1})
		},
		room:  func() { refusal.Remove() },
		check: func(n int) { k.holds(int64(n)) },
	}
}

// fullHub is a hub whose etcd has as many bytes as it may have.
func fullHub(t *testing.T, hub *testenv.Cluster) fullSink {
	client := must(rest.HTTPClientFor(hub.Config()))(t)
	t.Cleanup(client.CloseIdleConnections)
	records := &lateRecords{t, hub, client, hub.NewNamespace(t)}
	return fullSink{
		sink: "hub:" + records.namespace + "?install=true&qps=0&kubeconfig=" + kubeconfigOf(t, hub.Config()),
		says: "the etcd of the hub is full",
		full: func() {
			if err := hub.FillEtcd(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		room: func() {
			if err := hub.MakeRoom(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		names: func() (all []string) {
			for name := range records.marks() {
				all = append(all, name)
			}
			return all
		},
	}
}

func fullS3(t *testing.T, dir string) fullSink {
	store := testsinks.StartVersityGWIn(t, dir)
	keys := testdb.File(t, "keys", []byte("[default]\naws_access_key_id = "+store.AccessKey+"\naws_secret_access_key = "+store.SecretKey+"\n"))
	return fullSink{
		sink: "s3://" + store.Host + "/" + store.Bucket + "/x?tls=false&age=1s&credentials=file&credentials-file=" + keys,
		says: "the store is full: make room",
		names: func() (all []string) {
			for _, e := range segments(t, filepath.Join(dir, store.Bucket)) {
				all = append(all, e.Name)
			}
			return all
		},
	}
}

// fullOTLP is a Collector that writes to a file. One that could not takes no records before it is
// started again.
func fullOTLP(t *testing.T, dir string) fullSink {
	c := testsinks.StartOtelcolIn(t, dir)
	return fullSink{
		sink: "otlp:" + c.URL, says: "no space left on device; the receiver has too much to do",
		room: func() {
			c.Kill(t)
			c.Start(t)
		},
		names: func() (all []string) {
			text := strings.Join(c.Lines(t), "")
			for i := range 10 {
				if name := fmt.Sprint("large-", i); strings.Contains(text, `"`+name+`"`) {
					all = append(all, name)
				}
			}
			return all
		},
	}
}
