package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/hub"
)

// compared is a fleet of one cluster whose sinks can be compared.
type compared struct {
	*running
	*objects

	db *pgconn.PgConn
}

// diff runs the command and returns what it has come to, and its exit code.
func (c *compared) diff(args ...string) (all map[string]string, said string, code int) {
	c.running.t.Helper()
	args = append([]string{"diff", "-o", "json", "--admin=http://" + c.program.adminAddress.String()}, args...)
	text, err := command(c.running.t, args...)
	if exit, ok := errors.AsType[*ctl.ExitError](err); ok {
		code = exit.Code
		text += "\n" + exit.Error()
	} else if err != nil {
		c.running.t.Fatal(err)
	}
	var d struct {
		Differences []api.Difference
		Total       api.DiffDone
	}
	if code != ctl.ExitUnasked {
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&d); err != nil {
			c.running.t.Fatalf("%v\n%s", err, text)
		}
	}
	all = map[string]string{}
	for _, x := range d.Differences {
		all[x.Name] = x.Verdict
		if x.Repair != "" {
			all[x.Name] += ", " + x.Repair
		}
	}
	return all, text, code
}

// wants waits until a comparison comes to nothing but this. A difference that is not meant fails
// at once.
func (c *compared) wants(what string, want map[string]string, args ...string) {
	c.running.t.Helper()
	got, text, code := c.diff(args...)
	wantCode := 0
	if len(want) > 0 {
		wantCode = ctl.ExitProblem
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || code != wantCode {
		c.running.t.Fatalf("%s: %v, exit code %d; want %v, exit code %d\n%s", what, got, code, want, wantCode, text)
	}
}

// repaired waits until nothing differs any more, and nothing is on its way.
func (c *compared) repaired(args ...string) {
	c.running.t.Helper()
	c.await("all is repaired", func() bool {
		all, text, code := c.diff(args...)
		return code == 0 && len(all) == 0 && !strings.Contains(text, `"pending"`)
	})
}

func (c *compared) exec(sql string) {
	c.running.t.Helper()
	if _, err := c.db.Exec(context.Background(), sql).ReadAll(); err != nil {
		c.running.t.Fatal(err)
	}
}

// What is deleted, changed and added in a sink behind Fairlead's back is found, named and
// repaired; what is not selected, and what moves, is no difference.
func TestDiffOnARealCluster(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"})
	const ns, records = "compared", "compared-records"
	newObjects(t, env.Cluster("alpha"), records)
	pg := testdb.StartPostgres(t, "fsync = off")
	password := testdb.File(t, "password", []byte(pg.Password))
	host, port, _ := net.SplitHostPort(pg.Addr())
	db := must(pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres password=%s sslmode=disable", host, port, pg.Password)))(t)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	kubeconfig := writeKubeconfig(t, env.Cluster("alpha"))
	r := start(t, "--clusters=kubeconfig:"+kubeconfig, "--watch=configmaps?namespace="+ns,
		"--where=configmaps: !object.metadata.name.startsWith('hidden')",
		"--sink=postgres://postgres@"+pg.Addr()+"/postgres?name=pg&sslmode=disable&password-file="+password,
		"--sink=hub:"+records+"?install=true&kubeconfig="+kubeconfig, "--sink=stdout:", "--admin-bind-address=127.0.0.1:0")
	c := &compared{r, newObjects(t, env.Cluster("alpha"), ns), db}
	for i := range 20 {
		c.create(fmt.Sprint("o-", i))
	}
	c.create("hidden-1")
	r.await("the streams are live", func() bool { return r.streamsLive("alpha") })
	c.repaired("--sink=pg")
	c.repaired("--sink=hub:" + records)
	if _, text, _ := c.diff("--sink=pg"); !strings.Contains(text, `"filtered": 1`) {
		t.Errorf("the hidden object is not counted:\n%s", text)
	}

	state := "UPDATE fairlead_state SET "
	c.exec("DELETE FROM fairlead_state WHERE name = 'o-1'")
	c.exec(state + "resource_version = '1' WHERE name = 'o-2'")
	c.exec(state + "uid = '00000000-0000-0000-0000-000000000001' WHERE name = 'o-3'")
	c.exec(`CREATE TEMP TABLE odd AS SELECT * FROM fairlead_state WHERE name = 'o-4'; ` +
		`UPDATE odd SET name = 'added'; INSERT INTO fairlead_state SELECT * FROM odd; ` +
		`UPDATE odd SET name = E'a/\x1b[2J<b>', uid = repeat('x', 100000); INSERT INTO fairlead_state SELECT * FROM odd; ` +
		`UPDATE odd SET name = 'hidden-1', uid = 'u'; INSERT INTO fairlead_state SELECT * FROM odd`)
	hostile := "a/\x1b[2J<b>"
	found := map[string]string{
		"o-1": "OnlyInMember", "o-2": "SinkOlder", "o-3": "OtherUID", "added": "OnlyInSink", "hidden-1": "OnlyInSink", hostile: "OnlyInSink",
	}
	c.wants("what was changed", found, "--sink=pg", "--cluster=alpha", "--resource=configmaps")
	table, _ := command(t, "diff", "--sink=pg", "--admin=http://"+r.program.adminAddress.String())
	if strings.Contains(table, "\x1b") || !strings.Contains(table, "6 of 23 objects differ, in 1 streams") {
		t.Errorf("%q", table)
	}
	events := len(r.out.received())
	for name := range found {
		found[name] += ", it is delivered again"
	}
	found["added"], found["hidden-1"] = "OnlyInSink, its deletion is on its way", "OnlyInSink, its deletion is on its way"
	found[hostile] = "OnlyInSink, none: the sink has it with a version or UID that no cluster gives, so that no deletion can name it; delete it there"
	c.wants("what is repaired", found, "--sink=pg", "--repair")
	c.exec("DELETE FROM fairlead_state WHERE uid LIKE 'xxx%'")
	c.repaired("--sink=pg")
	if now := len(r.out.received()); now != events {
		t.Errorf("%d events went to another sink", now-events)
	}

	inHub := newRecords(t, env.Cluster("alpha"), records, ns)
	inHub.do(http.MethodDelete, "o-5", "")
	inHub.do(http.MethodPatch, "o-6", `{"spec":{"resourceVersion":"1"}}`)
	found = map[string]string{"o-5": "OnlyInMember", "o-6": "SinkOlder"}
	c.wants("the hub's records", found, "--sink=hub:"+records)
	for name := range found {
		found[name] += ", it is delivered again"
	}
	c.wants("the hub's repair", found, "--sink=hub:"+records, "--repair")
	c.repaired("--sink=hub:" + records)

	for name, args := range map[string][]string{
		"cannot tell what its destination has": {"--sink=stdout:"}, "no sink": {"--sink=none"}, `no cluster "omega"`: {"--sink=pg", "--cluster=omega"},
		"could not be compared": {"--sink=pg", "--resource=pods"}, "from 1 to 1,000,000": {"--sink=pg", "--sample=0"},
	} {
		if _, text, code := c.diff(args...); code != ctl.ExitUnasked || !strings.Contains(text, name) {
			t.Errorf("%s: exit code %d\n%s", args, code, text)
		}
	}
	c.moves(t)

	pg.Pause(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	under := make(chan struct{})
	go func() {
		defer close(under)
		_, _ = commandWith(ctx, "diff", "--sink=pg", "--admin=http://"+r.program.adminAddress.String())
	}()
	r.await("one is under way", r.program.comparing.Load)
	if _, text, code := c.diff("--sink=hub:" + records); code != ctl.ExitUnasked || !strings.Contains(text, "under way") {
		t.Errorf("a second one at a time: exit code %d\n%s", code, text)
	}
	cancel() // who asked goes
	<-under
	r.await("it has ended", func() bool { return !r.program.comparing.Load() })
	pg.Resume(t)
	c.repaired("--sink=pg")
}

// moves compares while objects are written and deleted all the time.
func (c *compared) moves(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("moving-%d-%d", w, i%7)
				c.create(name)
				c.patch(name, fmt.Sprint(i))
				c.patch("o-7", fmt.Sprint(w, i))
				c.objects.delete(name)
			}
		})
	}
	for range 6 {
		c.wants("a fleet that moves", map[string]string{}, "--sink=pg")
	}
}

// recordsOf are the records of the ConfigMaps of a namespace.
type recordsOf struct {
	t      *testing.T
	client *http.Client
	url    string
	of     string // namespace
}

func newRecords(t *testing.T, c *testenv.Cluster, namespace, of string) *recordsOf {
	t.Helper()
	h := must(rest.HTTPClientFor(c.Config()))(t)
	t.Cleanup(h.CloseIdleConnections)
	return &recordsOf{t, h, c.Config().Host + "/apis/records.fairlead.dev/v1alpha1/namespaces/" + namespace + "/records/", of}
}

// do sends a request about the record of an object.
func (r *recordsOf) do(method, name, body string) {
	r.t.Helper()
	record := hub.RecordName(pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: r.of, Name: name})
	req := must(http.NewRequestWithContext(r.t.Context(), method, r.url+record, strings.NewReader(body)))(r.t)
	req.Header.Set("Content-Type", "application/merge-patch+json")
	resp := must(r.client.Do(req))(r.t)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s of the record of %s: %s", method, name, resp.Status)
	}
}
