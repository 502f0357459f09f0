package app

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// destinationStand are the servers of sinks, with what is wrong with them.
type destinationStand struct {
	t         *testing.T
	dir       string
	namespace string // of what is watched, and of records

	postgres *testdb.Postgres
	kafka    *kafkaBroker
	nats     *natsServer
	web      *webServer
	hub      *testenv.Cluster
	proxy    *testenv.Proxy
}

// The credentials that servers take, and the ones that they do not. None of them may be seen
// anywhere.
const (
	goodCanary  = "canary-good-5b1e"
	wrongCanary = "canary-wrong-77d0"
)

func newDestinationStand(t *testing.T) *destinationStand {
	t.Helper()
	s := &destinationStand{t: t, dir: t.TempDir()}
	s.postgres = testdb.StartPostgres(t)
	s.sql(`CREATE ROLE fairlead LOGIN PASSWORD '` + goodCanary + `'`)
	s.sql(`CREATE SCHEMA login; CREATE SCHEMA late; CREATE SCHEMA missing;
		GRANT USAGE, CREATE ON SCHEMA login, late, missing TO fairlead`)
	s.kafka = startKafka(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", goodCanary), kfake.SeedTopics(1, "login"))
	s.nats = startNATS(t, goodCanary)
	s.stream("login", -1)
	s.stream("full", 1)
	s.web = startWeb(t)
	env := testenv.Start(t, testenv.Spec{Name: "hub"})
	s.hub = env.Cluster("hub")
	s.namespace = s.hub.NewNamespace(t)
	s.proxy = newProxy(t, s.hub)
	return s
}

// file writes a file and returns its path.
func (s *destinationStand) file(name, text string) string {
	path := s.dir + "/" + name
	if text != "" {
		writeFile(s.t, path, text)
	}
	return path
}

// sql runs statements as the superuser.
func (s *destinationStand) sql(statements string) {
	s.t.Helper()
	runSQL(s.t, s.postgres, statements)
}

// runSQL runs statements as the superuser of a server, in one transaction.
func runSQL(t *testing.T, p *testdb.Postgres, statements string) {
	t.Helper()
	config := must(pgx.ParseConfig("host=127.0.0.1 user=postgres sslmode=disable dbname=postgres"))(t)
	config.Port, config.Password = uint16(portOf(t, p.Addr())), p.Password
	conn := must(pgx.ConnectConfig(t.Context(), config))(t)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// stream makes a stream of NATS of at most so many bytes, or changes it.
func (s *destinationStand) stream(name string, most int64) {
	s.t.Helper()
	s.nats.as(func(js jetstream.JetStream) {
		_ = must(js.CreateOrUpdateStream(s.t.Context(), jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".>"}, MaxBytes: most, Discard: jetstream.DiscardNew,
		}))(s.t)
	})
}

// topic makes a topic of Kafka.
func (s *destinationStand) topic(name string) {
	s.t.Helper()
	client := must(kgo.NewClient(kgo.SeedBrokers(s.kafka.ListenAddrs()...), kgo.SASL(plain.Auth{User: "me", Pass: goodCanary}.AsMechanism())))(s.t)
	defer client.Close()
	ask := kmsg.NewPtrCreateTopicsRequest()
	ask.TimeoutMillis = 60_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 1
	ask.Topics = append(ask.Topics, topic)
	if answer, err := ask.RequestWith(s.t.Context(), client); err != nil || answer.Topics[0].ErrorCode != 0 {
		s.t.Fatalf("make topic %s: %+v, %v", name, answer, err)
	}
}

// installRecords has a sink of the administrator's make the CRD of records.
func (s *destinationStand) installRecords() {
	s.t.Helper()
	spec := must(new(Options).sinkKinds().Parse("hub:" + s.namespace + "?install=true&kubeconfig=" + kubeconfigOf(s.t, s.hub.Config())))(s.t)
	sink := must(spec.Open(s.t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry()}))(s.t)
	defer sink.(interface{ Close() error }).Close()
	if err := sink.(sinks.Checker).Check(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// allowRecords lets a user write records.
func (s *destinationStand) allowRecords(user string) {
	s.t.Helper()
	allow(s.t, s.hub, s.namespace, user, rbacv1.PolicyRule{APIGroups: []string{"records.fairlead.dev"}, Resources: []string{"records"}, Verbs: []string{"create", "patch", "list", "delete"}})
}

// stop stops all servers, and start starts them again where they were.
func (s *destinationStand) stop() {
	s.postgres.Kill(s.t)
	s.kafka.Close()
	s.nats.stop()
	s.web.stop()
	s.proxy.Cut()
}

func (s *destinationStand) start() {
	s.postgres.Start(s.t)
	s.kafka.run()
	s.nats.run()
	s.web.run()
	restore(s.t, s.proxy)
}

// webServer is a server of HTTP that keeps its address over restarts. It is also a store of S3
// of one kind of request. Whatever it refuses it answers with what it was sent to prove who
// that is.
type webServer struct {
	t       *testing.T
	address string
	server  *http.Server
	ended   chan struct{}

	mu      sync.Mutex
	refuses map[string]int // path: status
}

func startWeb(t *testing.T) *webServer {
	t.Helper()
	w := &webServer{t: t, address: freeAddress(t), refuses: map[string]int{}}
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *webServer) run() {
	l := must(net.Listen("tcp", w.address))(w.t)
	server, ended := &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	w.server, w.ended = server, ended
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
}

func (w *webServer) stop() {
	_ = w.server.Close()
	<-w.ended
}

// refuse has requests to a path answered with a status; 0: they are accepted.
func (w *webServer) refuse(path string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuses[path] = status
}

func (w *webServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	status := 0
	for path, refused := range w.refuses {
		if strings.HasPrefix(r.URL.Path, path) {
			status = refused
		}
	}
	w.mu.Unlock()
	credential := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key")
	if strings.HasPrefix(r.URL.Path, "/token") && !strings.Contains(credential, goodCanary) {
		status = http.StatusUnauthorized
	}
	if r.Method == http.MethodOptions && status != http.StatusUnauthorized {
		status = 0
	}
	if status != 0 {
		http.Error(rw, "you sent "+credential, status)
		return
	}
	rw.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
}

// logFile is a log that a test can read.
type logFile struct {
	to io.Writer
	mu sync.Mutex
	b  strings.Builder
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(p)
	return l.to.Write(p)
}

func (l *logFile) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// isEmpty reports whether a file holds nothing, or is not there.
func isEmpty(path string) bool {
	text, err := os.ReadFile(path)
	return len(text) == 0 || os.IsNotExist(err)
}

// tablesIn makes the tables of a schema as its owner would.
func (s *destinationStand) tablesIn(schema string) {
	s.sql(postgres.Migration(schema, false, 0) + `; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ` + schema + ` TO fairlead`)
}
