package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// receiver is an HTTP sink's destination that refuses objects of one name.
func receiver(t *testing.T, refuses string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if refuses != "" && bytes.Contains(body, []byte(refuses)) {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func alertOnDeadSink(t *testing.T, env *testenv.Env) (*story, time.Time) {
	server := receiver(t, "")
	r, o := inAlpha(t, env, "alert-sink", "--sink="+server.URL)
	before := r.scrape()
	server.Close()
	o.create("waits")
	return r.goesOnAs(before, "the sink is down", func(s *scrape) bool { return s.total("fairlead_sink_up", "") == 0 })
}

func alertOnRefusal(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-refusal", "--sink="+receiver(t, "unwanted").URL)
	o.create("unwanted")
	before := r.awaitScrape("it is refused", func(s *scrape) bool {
		return s.total("fairlead_changes_refused", "") == 1 && s.total("fairlead_route_oldest_unacked_age_seconds", "") > 0
	})
	return r.goesOnAs(before, "it is older", func(s *scrape) bool {
		const age = "fairlead_route_oldest_unacked_age_seconds"
		return s.total("fairlead_changes_refused", "") == 1 && s.total(age, "")-before.total(age, "") >= 0.5
	})
}

func alertOnDeadLetter(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-dead", "--sink="+receiver(t, "unwanted").URL, "--dead-letter="+filepath.Join(t.TempDir(), "dead"))
	before := r.scrape()
	o.create("unwanted")
	return r.goesOnAs(before, "it is a dead letter", func(s *scrape) bool {
		return s.total("fairlead_sink_changes_total", `result="dead_lettered"`) >= 1 && s.total("fairlead_route_changes_unacked", "") == 0
	})
}

func alertOnHungSink(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-hung", "--lane-capacity=5", "--workers=1")
	r.out.stall()
	for i := range 50 {
		o.create(fmt.Sprint("o-", i))
	}
	const metric = "fairlead_backpressure_seconds_total"
	before := r.awaitScrape("its lane is full", func(s *scrape) bool { return s.total(metric, "") > 0 })
	return r.goesOnAs(before, "for a second", growsBy(before, metric, 1))
}

func alertOnSinkBehind(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-behind", "--lane-capacity=5", "--workers=1", "--sink=stdout:", "--sink="+receiver(t, "").URL)
	r.out.stall()
	for i := range 50 {
		o.create(fmt.Sprint("o-", i))
	}
	const metric = "fairlead_route_behind_seconds"
	before := r.awaitScrape("it is behind", func(s *scrape) bool { return s.total(metric, "stdout") > 0 })
	return r.goesOnAs(before, "for a second, and the other sink is not", func(s *scrape) bool {
		return s.total(metric, "stdout") >= 1 && s.total("fairlead_route_changes_unacked", `route="http`) == 0
	})
}

func alertOnMemory(t *testing.T, _ *testenv.Env) (*story, time.Time) {
	const members, objects, size = 12, 12, 1 << 20
	var all []testenv.Target
	for i := range members {
		h := testenv.StartHostile(t, fmt.Sprint("m-", i)) // it tells no lies
		for j := range objects {
			h.Put("configmaps", "default", fmt.Sprint("o-", j), map[string]any{"data": map[string]any{"k": strings.Repeat("x", size)}})
		}
		all = append(all, h)
	}
	out := newRecorder()
	out.stall()
	r := startWith(t, Options{}, out, "--clusters=kubeconfig:"+writeKubeconfig(t, all...), "--watch=configmaps", "--memory-budget=49Mi", "--drain-timeout=0s")
	s := r.awaitScrape("lanes wait for memory", shows("fairlead_memory_budget_waiting_lanes", ""))
	return r.goesOnAs(s, "they still do", shows("fairlead_memory_budget_waiting_lanes", ""))
}

func alertOnFullVolume(t *testing.T, env *testenv.Env) (*story, time.Time) {
	o := newObjects(t, env.Cluster("alpha"), "alert-volume")
	dir := t.TempDir()
	p := startKeeper(t, "limit", dir, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace="+o.namespace,
		"--ledger="+filepath.Join(dir, "ledger"), "--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", "--admin-bind-address=0")
	p.start()
	p.awaitGood(o)
	p.do("full")
	for n := 0; ; n++ {
		if ok, _ := p.ready(); !ok {
			break
		}
		if n == 5000 {
			t.Fatal("the ledger still grows")
		}
		o.create(fmt.Sprintf("grows-%d-%s", n, strings.Repeat("x", 200)))
	}
	_, text := p.try(p.metrics, "/metrics")
	families := must(parserOfText().TextToMetricFamilies(strings.NewReader(text)))(t)
	s := &scrape{at: time.Now(), values: map[string]float64{}}
	for _, f := range families {
		for name, value := range scrapeOf(listOf(f)).values {
			s.values[name] = value
		}
	}
	p.do("space")
	p.do("stop")
	return continued(s, s), s.at
}

func alertOnTooMany(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-many", "--max-objects=5")
	for i := range 10 {
		o.create(fmt.Sprint("o-", i))
	}
	s := r.awaitScrape("objects are left out", func(s *scrape) bool {
		return s.total("fairlead_objects_left_out", "") > 0 && s.total("fairlead_stream_state", `state="waiting"`) == 1 && s.total("fairlead_route_changes_unacked", "") == 0
	})
	return continued(s, s), s.at
}

func alertOnGrowth(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), env.Cluster("beta")), "--watch=configmaps?namespace=default", "--metrics-max-clusters=1")
	r.await("both are live", func() bool { return r.streamsLive("alpha") && r.streamsLive("beta") })
	s := r.scrape()
	return continued(s, s), s.at
}

func alertOnDescription(t *testing.T, env *testenv.Env) (*story, time.Time) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "alpha.yaml"), string(must(testenv.Kubeconfig(env.Cluster("alpha")))(t)))
	writeFile(t, filepath.Join(dir, "beta.yaml"), "clusters: [{name: beta")
	r := start(t, "--clusters=dir:"+dir, "--watch=configmaps?namespace=default")
	r.await("the other one is live", func() bool { return r.streamsLive("alpha") })
	s := r.awaitScrape("the description is told of", shows("fairlead_fleet_problems", ""))
	return continued(s, s), s.at
}

func alertOnConfig(t *testing.T, env *testenv.Env) (*story, time.Time) {
	path := writeConfig(t, "watches: ['configmaps?namespace=default']\n")
	r := start(t, "--config="+path, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")))
	r.await("the stream is live", func() bool { return r.streamsLive("alpha") })
	const valid = "fairlead_config_last_reload_successful"
	if n := r.scrape().total(valid, ""); n != 1 {
		t.Errorf("%s is %v of a valid file", valid, n)
	}
	writeFile(t, path, configHeader+"watches: [pods\n")
	s := r.awaitScrape("the file was read again", func(s *scrape) bool { return s.total(valid, "") == 0 })
	return continued(s, s), s.at
}
