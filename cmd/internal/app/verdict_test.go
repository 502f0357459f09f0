package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// healthy are the facts about an object that was delivered at version 7, of a live cluster.
func healthy(now time.Time) *facts {
	f := &facts{now: now, found: &sources.Looked{}, rate: 2, last: func() *api.Delivered { return nil }}
	f.found.Connection.State = member.Live
	f.found.Stream.State, f.found.Stream.LastFrame, f.found.Stream.Stream = member.Live, now.Add(-time.Second), "pods"
	f.found.Asked, f.found.Exists, f.found.UID, f.found.ResourceVersion = true, true, "u", "7"
	f.route = sources.RouteSight{Route: "file:x", AckedUID: "u", AckedVersion: "7", Known: true, Position: "9", Has: true, Reached: true}
	f.status.InStep = true
	f.sink, f.ledger, f.cluster = batch.Status{Healthy: true}, ledger.Status{Healthy: true}, ledger.ClusterStatus{Healthy: true}
	return f
}

// Of a cluster that is down it is not known whether anything follows a resource that no --watch
// names, as that may be a short name. A wildcard may stand for it.
func TestVerdictOnAResourceThatNobodyNames(t *testing.T) {
	f := healthy(time.Now())
	f.found.Resource, f.found.Connection.State, f.found.Connection.LastError = "pods", member.BackingOff, "connection refused"
	const unknown = "connection refused. No --watch names pods: whether one means it by another name, the cluster tells once it answers."
	if v := f.unnamed(""); v.Reason != api.ReasonStreamDown || !strings.HasSuffix(v.Message, unknown) {
		t.Errorf("%+v", v)
	}
	if v := f.unreached(""); !strings.HasSuffix(v.Message, "connection refused.") {
		t.Errorf("of one that is named: %+v", v)
	}
	f.found.Survey = &sources.SurveyStatus{}
	if v := f.unnamed(""); !strings.HasSuffix(v.Message, "connection refused.") {
		t.Errorf("with a wildcard: %+v", v)
	}
}

// Each fault has its own reason, and a sentence that names the cause and what comes next.
func TestVerdicts(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	waits := func(f *facts) {
		f.route.Pending, f.route.PendingVersion, f.route.PendingSince = true, "8", now.Add(-3*time.Second)
		f.queued, f.place = true, queue.Place{Waits: true, Ahead: 2, Line: 5}
	}
	inWork := func(f *facts) {
		waits(f)
		f.route.Begun, f.place = true, queue.Place{InWork: true, WorkedFor: 2 * time.Second}
	}
	sinkDown := func(f *facts) {
		f.sink = batch.Status{Since: now.Add(-time.Minute), LastError: "connection refused", Attempts: 4, NextRetry: now.Add(5 * time.Second)}
	}
	limitRoute := func(f *facts) {
		f.total = 500 * time.Millisecond
		f.ofRoute = &api.LimitsOrder{Target: api.Target{Route: "file:x"}, QPS: new(0.5), Order: api.Order{By: "anna", Reason: "it is weak"}}
	}
	limitStream := func(f *facts) {
		f.found.Stream.LimitedSince = now.Add(-time.Second)
		f.ofStream = &api.LimitsOrder{Target: api.Target{Cluster: "c", Resource: "pods"}, QPS: new(5.0), Order: api.Order{Reason: "noisy"}}
	}
	newer := func(f *facts) { f.found.ResourceVersion, f.route.Has, f.route.Reached = "12", false, false }
	letter := func(version string) func() (deadletter.Record, bool) {
		e, err := pipeline.ParseEvent((&pipeline.Change{
			Key: pipeline.Key{Cluster: "c", Resource: "pods", Namespace: "n", Name: "p"}, UID: "u", ResourceVersion: version,
			Op: pipeline.Updated, Origin: &pipeline.Origin{Cluster: "c"},
		}).AppendCloudEvent(nil))
		if err != nil {
			e.ID = "/v1/pods/u/" + version
			e.ResourceVersion = version
		}
		return func() (deadletter.Record, bool) {
			return deadletter.Record{Time: now.Add(-time.Hour), Reason: "no such column", Attempts: 2, Event: e}, true
		}
	}
	for name, test := range map[string]struct {
		edit func(*facts)
		want api.Reason
		says string
	}{
		"delivered": {func(*facts) {}, api.ReasonDelivered, "The sink has version 7, which is what the cluster has."},
		"delivered just now": {func(f *facts) {
			f.last = func() *api.Delivered {
				return &api.Delivered{ID: "/v1/pods/u/7", ResourceVersion: "7", At: now.Add(-90 * time.Second), LagSeconds: 0.25}
			}
		}, api.ReasonDelivered, "Delivered 1m30s ago, 250ms after it was read, as /v1/pods/u/7."},
		"to be delivered again": {func(f *facts) { f.route.Due = true }, api.ReasonDeliverAgain, "once more"},
		"waits":                 {waits, api.ReasonWaiting, "Version 8 is the 3rd of 5 in its lane, and has waited for 3s."},
		"a snapshot's waits":    {func(f *facts) { waits(f); f.place.Snapshot = true }, api.ReasonWaiting, "among the snapshot's"},
		"a deletion waits":      {func(f *facts) { waits(f); f.route.PendingDeletion = true }, api.ReasonWaiting, "Its deletion is the 3rd"},
		"no token":              {func(f *facts) { waits(f); f.place.Token = 200 * time.Millisecond }, api.ReasonThrottled, "for 1.2s"},
		"no token, as somebody has ordered": {func(f *facts) {
			waits(f)
			f.place.Token = 200 * time.Millisecond
			f.ofCluster = &api.LimitsOrder{Target: api.Target{Cluster: "c"}, QPS: new(f.rate), Order: api.Order{By: "anna", Reason: "an upgrade"}}
		}, api.ReasonThrottled, "per second, set by anna (an upgrade), for 1.2s."},
		"no token for what is read from a list, which nobody orders": {func(f *facts) {
			waits(f)
			f.place.Snapshot, f.place.Token = true, 200*time.Millisecond
			f.ofCluster = &api.LimitsOrder{Target: api.Target{Cluster: "c"}, QPS: new(f.rate), Order: api.Order{By: "anna"}}
		}, api.ReasonThrottled, "per second, for 1.2s."},
		"no token of its route": {func(f *facts) { waits(f); limitRoute(f) }, api.ReasonLimited,
			"Version 8 is the 3rd of 5 in its lane and is throttled for at least 4.5s by the limit of route file:x, 0.5 per second, set by anna (it is weak)."},
		"the cluster's token comes later": {func(f *facts) {
			waits(f)
			limitRoute(f)
			f.place.Token = 9 * time.Second
		}, api.ReasonThrottled, "for 10s"},
		"the cluster's token comes sooner": {func(f *facts) {
			waits(f)
			limitRoute(f)
			f.place.Token = 200 * time.Millisecond
		}, api.ReasonLimited, "4.5s by the limit of route file:x"},
		"the route's limit has just ended": {func(f *facts) { waits(f); limitRoute(f); f.ofRoute = nil }, api.ReasonWaiting, "the 3rd of 5"},
		"the route's limit is none":        {func(f *facts) { waits(f); limitRoute(f); f.ofRoute.QPS = new(0.0) }, api.ReasonWaiting, "the 3rd of 5"},
		"the route has a token":            {func(f *facts) { waits(f); limitRoute(f); f.total = 0 }, api.ReasonWaiting, "the 3rd of 5"},
		"limited, and the sink is down":    {func(f *facts) { waits(f); limitRoute(f); sinkDown(f) }, api.ReasonSinkDown, "connection refused"},
		"limited, and refused":             {func(f *facts) { waits(f); limitRoute(f); f.place.Delay, f.refused = time.Second, true }, api.ReasonSinkRefusing, "next try"},
		"its route's limit fills its lane": {func(f *facts) {
			waits(f)
			limitRoute(f)
			f.place = queue.Place{Blocked: true}
		}, api.ReasonLimited, "for room in its lane, for 3s: that is throttled by the limit of route file:x"},
		"a full lane of a limited route": {func(f *facts) {
			newer(f)
			limitRoute(f)
			f.route.BlockedSince, f.lane.BlockedOffers = now, 1
		}, api.ReasonLimited, "has not read version 12: the lane is throttled by the limit of route file:x"},
		"a full lane of a limited route whose sink is down": {func(f *facts) {
			newer(f)
			limitRoute(f)
			sinkDown(f)
			f.route.BlockedSince, f.lane.BlockedOffers = now, 1
		}, api.ReasonSinkDown, "connection refused"},
		"a stream that waits for a token": {func(f *facts) { newer(f); limitStream(f) }, api.ReasonLimited,
			"The stream has not read version 12: it is throttled by the limit of stream c/pods, 5 per second, set by an operator (noisy)."},
		"a snapshot that waits for a token": {func(f *facts) {
			newer(f)
			limitStream(f)
			f.found.Stream.State, f.route.Position = member.Syncing, ""
		}, api.ReasonLimited, "of stream c/pods"},
		"a deletion that waits for a token": {func(f *facts) {
			waits(f)
			limitStream(f)
			f.route.PendingDeletion, f.queued = true, false
		}, api.ReasonLimited, "Its deletion is known, and is throttled, for 3s, by the limit of stream c/pods"},
		"a replay that waits for a token": {func(f *facts) { f.route.Due = true; limitStream(f) }, api.ReasonDeliverAgain, "once more. The stream is throttled by the limit of stream c/pods"},
		"a stream whose throttled list broke off": {func(f *facts) {
			newer(f)
			limitStream(f)
			st := &f.found.Stream
			st.State, st.Reason, st.LastError, st.LimitedSince = member.BackingOff, "limited", "the list broke off: unexpected EOF", time.Time{}
		}, api.ReasonLimited, "The stream is throttled by the limit of stream c/pods, 5 per second, set"},
		"a stream with a limit and a token":        {func(f *facts) { newer(f); limitStream(f); f.found.Stream.LimitedSince = time.Time{} }, api.ReasonNotYetSeen, "has not read version 12 yet"},
		"a stream whose limit has just ended":      {func(f *facts) { newer(f); limitStream(f); f.ofStream = nil }, api.ReasonNotYetSeen, "has not read version 12 yet"},
		"a limited stream whose sink is down":      {func(f *facts) { newer(f); limitStream(f); sinkDown(f) }, api.ReasonSinkDown, "has not read version 12: it waits for the sink"},
		"a limited stream, and what it has to say": {limitStream, api.ReasonDelivered, "The sink has version 7"},
		"in flight":                {inWork, api.ReasonInFlight, "not answered for 2s."},
		"a newer one waits":        {func(f *facts) { inWork(f); f.place.Waits, f.place.Line = true, 1 }, api.ReasonInFlight, "Version 8 waits for an older state, which has been handed to the sink, which has not answered for 2s."},
		"in flight, not measured":  {func(f *facts) { inWork(f); f.place.WorkedFor = 0 }, api.ReasonInFlight, "which has not answered yet."},
		"the sink is down":         {func(f *facts) { inWork(f); sinkDown(f) }, api.ReasonSinkDown, "failed for 1m, and is tried again in 5s: connection refused."},
		"behind a sink that fails": {func(f *facts) { waits(f); sinkDown(f) }, api.ReasonSinkDown, "connection refused"},
		"refused": {func(f *facts) {
			waits(f)
			f.place = queue.Place{Waits: true, Delay: 1500 * time.Millisecond}
			f.refused, f.refusal = true, stage.Refusal{Times: 22, ResourceVersion: "8", Reason: "value too long"}
		}, api.ReasonSinkRefusing, "refused by the sink for the 22nd time, and is tried again in 1.5s: value too long."},
		"an older one was refused": {func(f *facts) {
			waits(f)
			f.refused, f.refusal = true, stage.Refusal{Times: 22, ResourceVersion: "7", Reason: "value too long"}
		}, api.ReasonWaiting, "Version 8 is the 3rd of 5"},
		"it waits for the try after one that was refused": {func(f *facts) {
			waits(f)
			f.place = queue.Place{Waits: true, Delay: 1500 * time.Millisecond}
			f.refused, f.refusal = true, stage.Refusal{Times: 22, ResourceVersion: "7", Reason: "value too long"}
		}, api.ReasonSinkRefusing, "Version 8 waits for the next try, since version 7 was refused"},
		"refused, and then the sink went down": {func(f *facts) {
			waits(f)
			sinkDown(f)
			f.refused, f.refusal = true, stage.Refusal{Times: 22, ResourceVersion: "8", Reason: "value too long"}
		}, api.ReasonSinkDown, "connection refused"},
		"refused, and out of tokens": {func(f *facts) {
			waits(f)
			f.place.Token = time.Minute
			f.refused, f.refusal = true, stage.Refusal{Times: 22, ResourceVersion: "8", Reason: "value too long"}
		}, api.ReasonThrottled, "for 1m1s"},
		"far behind": {func(f *facts) { waits(f); f.place.Ahead, f.place.Line = 4096, 100000 }, api.ReasonWaiting, "is behind at least 4096 of 100000 in its lane"},
		"far behind, no token": {func(f *facts) {
			waits(f)
			f.place = queue.Place{Waits: true, Ahead: 4096, Line: 100000, Token: time.Second}
		}, api.ReasonThrottled, "rate of 2 per second."},
		"it has just left the lane":  {func(f *facts) { waits(f); f.queued, f.place = false, queue.Place{} }, api.ReasonWaiting, "is about to come to its lane"},
		"written after the question": {func(f *facts) { f.route.AckedVersion = "8" }, api.ReasonDelivered, "The sink has version 8, which is newer"},
		"what was read goes on though no more is": {func(f *facts) {
			waits(f)
			sinkDown(f)
			f.found.Connection.State, f.paused = member.Paused, &pause{why: "x", reading: true}
		}, api.ReasonSinkDown, "connection refused"},
		"the ledger fails": {func(f *facts) {
			inWork(f)
			f.ledger = ledger.Status{Since: now.Add(-time.Minute), LastError: "no space left on device"}
		}, api.ReasonHeldByLedger, "not been written for 1m: no space left on device."},
		"the ledger refuses the cluster": {func(f *facts) {
			inWork(f)
			f.cluster.Healthy, f.cluster.LastError = false, "value too large"
		}, api.ReasonHeldByLedger, "value too large"},
		"the lane is full":       {func(f *facts) { waits(f); f.place = queue.Place{Blocked: true} }, api.ReasonLaneFull, "waits for room in its lane"},
		"the route reads itself": {func(f *facts) { waits(f); f.queued = false; f.status.InStep, f.status.Why = false, "lane full" }, api.ReasonBehind, "lane full"},
		"the cluster is down": {func(f *facts) {
			c := &f.found.Connection
			c.State, c.Reason, c.LastError, c.Since, c.NextRetry = member.BackingOff, "unreachable", "dial tcp: timeout", now.Add(-time.Minute), now.Add(time.Second)
		}, api.ReasonStreamDown, "The cluster has not been live for 1m (backing off, unreachable), and is tried again in 1s: dial tcp: timeout."},
		"the stream is down": {func(f *facts) {
			s := &f.found.Stream
			s.State, s.Reason, s.LastError = member.BackingOff, "forbidden", "pods is forbidden"
		}, api.ReasonStreamDown, "(backing off, forbidden): pods is forbidden."},
		"what waits goes on while the cluster is down": {func(f *facts) { waits(f); f.found.Connection.State = member.BackingOff }, api.ReasonWaiting, ""},
		"paused":                        {func(f *facts) { f.paused = &pause{why: "by whom"} }, api.ReasonPaused, "It is paused: by whom."},
		"nobody can tell":               {func(f *facts) { f.found.Asked, f.found.Error = false, "no reply in time" }, api.ReasonUnknown, "no reply in time; the sink has accepted version 7."},
		"not there":                     {func(f *facts) { f.found.Exists, f.route = false, sources.RouteSight{Route: "file:x"} }, api.ReasonNotThere, "no such object"},
		"its deletion comes":            {func(f *facts) { f.found.Exists = false }, api.ReasonNotYetSeen, "not read its deletion yet"},
		"a selector":                    {func(f *facts) { f.found.Selector = "labelSelector=app=x"; f.route.Known = false }, api.ReasonFiltered, "It is not selected: the API server is asked for labelSelector=app=x only."},
		"an expression":                 {func(f *facts) { f.route.Unmet = []string{"object.a == 1"}; f.route.Known = false }, api.ReasonFiltered, "this is false for it: object.a == 1."},
		"it has left":                   {func(f *facts) { f.route.Unmet = []string{"false"} }, api.ReasonFiltered, "gets a deletion"},
		"unchanged":                     {func(f *facts) { newer(f); f.route.Unchanged = true }, api.ReasonUnchanged, "in no field that counts"},
		"not seen":                      {newer, api.ReasonNotYetSeen, "has come to version 9, and last heard from the cluster 1s ago."},
		"not seen, as the lane is full": {func(f *facts) { newer(f); f.lane.BlockedOffers, f.lane.Live, f.route.BlockedSince = 1, 8, now }, api.ReasonLaneFull, "where 8 changes wait, and has not read version 12."},
		"not seen, as the lane is full and the sink down":       {func(f *facts) { newer(f); sinkDown(f); f.lane.BlockedOffers, f.route.BlockedSince = 1, now }, api.ReasonSinkDown, "has not read version 12: it waits for the sink"},
		"another stream waits for room":                         {func(f *facts) { newer(f); f.lane.BlockedOffers = 1 }, api.ReasonNotYetSeen, "has come to version 9"},
		"its deletion comes, and another stream waits for room": {func(f *facts) { f.found.Exists, f.lane.BlockedOffers = false, 1 }, api.ReasonNotYetSeen, "not read its deletion yet"},
		"rejected, and the lane is full": {func(f *facts) {
			newer(f)
			f.lane.BlockedOffers, f.route.BlockedSince = 1, now
			f.route.Reached, f.found.Stream.LastRejected, f.found.Stream.LastError = true, now.Add(-time.Second), "the frame is too large"
		}, api.ReasonRejected, "has come past version 12, and rejects what it cannot read: the frame is too large."},
		"another object was rejected": {func(f *facts) { newer(f); f.found.Stream.LastRejected = now }, api.ReasonNotYetSeen, "has come to version 9"},
		"behind":                      {func(f *facts) { newer(f); f.status.InStep, f.status.Why = false, "no memory" }, api.ReasonBehind, "no memory"},
		"in a snapshot":               {func(f *facts) { newer(f); f.found.Stream.State = member.Syncing }, api.ReasonNotYetSeen, "reads a snapshot"},
		"no room":                     {func(f *facts) { newer(f); f.route.Known, f.found.Stream.Missing = false, 3 }, api.ReasonLedgerFull, "--max-objects"},
		"dead":                        {func(f *facts) { f.letter = letter("7") }, api.ReasonDeadLettered, "refused version 7 for good, 1h0m ago, and it is a dead letter: no such column."},
		"an older state died":         {func(f *facts) { f.letter = letter("6") }, api.ReasonDelivered, ""},
		"what died is not told as unchanged": {func(f *facts) {
			f.letter = letter("7")
			f.found.ResourceVersion, f.route.Unchanged = "8", true
			f.route.Has = false
		}, api.ReasonDeadLettered, "refused version 7 for good"},
		"dead by the last answer": {func(f *facts) {
			f.last = func() *api.Delivered {
				return &api.Delivered{Op: "updated", ResourceVersion: "7", At: now.Add(-time.Second), DeadLettered: true}
			}
		}, api.ReasonDeadLettered, "refused version 7 for good, 1s ago, and it was put with the dead letters."},
		"its deletion died": {func(f *facts) {
			f.found.Exists, f.route = false, sources.RouteSight{Route: "file:x", Gone: "9"}
			f.last = func() *api.Delivered {
				return &api.Delivered{Op: "deleted", ResourceVersion: "9", At: now.Add(-time.Second), DeadLettered: true}
			}
		}, api.ReasonDeadLettered, "refused its deletion for good"},
		"what died was sent again": {func(f *facts) {
			f.letter = letter("7")
			f.last = func() *api.Delivered { return &api.Delivered{ResourceVersion: "7", At: now} }
		}, api.ReasonDelivered, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy(now)
			test.edit(f)
			v := f.verdict()
			if v.Reason != test.want || !strings.Contains(v.Message, test.says) || v.Route != "file:x" || !strings.HasSuffix(v.Message, ".") {
				t.Errorf("%s: %s\nwant %s with %q", v.Reason, v.Message, test.want, test.says)
			}
		})
	}
}

func TestReasonsAreDescribed(t *testing.T) {
	seen := map[api.Reason]bool{}
	for _, r := range api.Reasons {
		if seen[r.Reason] || r.Meaning == "" {
			t.Errorf("%s stands there twice, or means nothing", r.Reason)
		}
		seen[r.Reason] = true
		for _, code := range append(slices.Clone(r.Causes), r.Code) {
			if code != "" && findings.Do(code) == "" {
				t.Errorf("the cause %s of %s is no code", code, r.Reason)
			}
		}
	}
}

// Of several findings the likeliest one is the cause, whatever their order; those of another
// route are none.
func TestCausesOfReasons(t *testing.T) {
	finding := func(code, route string) api.Finding { return api.Finding{Code: code, Route: route} }
	for name, test := range map[string]struct {
		reason api.Reason
		all    []api.Finding
		want   string
	}{
		"nothing is wrong":                                 {api.ReasonDelivered, []api.Finding{finding("FL1023", "")}, ""},
		"a stream before a cluster":                        {api.ReasonStreamDown, []api.Finding{finding("FL1009", ""), finding("FL1101", "")}, "FL1101"},
		"connecting, with a twin":                          {api.ReasonStreamDown, []api.Finding{finding("FL1002", ""), finding("FL1014", "")}, "FL1014"},
		"a twin, and one lost watch":                       {api.ReasonStreamDown, []api.Finding{finding("FL1002", ""), finding("FL1013", "")}, ""},
		"no cause of this":                                 {api.ReasonStreamDown, []api.Finding{finding("FL1108", ""), finding("FL1021", "")}, ""},
		"another object's frame":                           {api.ReasonNotYetSeen, []api.Finding{finding("FL1108", "")}, ""},
		"worth knowing":                                    {api.ReasonStreamDown, []api.Finding{{Code: "FL1009", Severity: api.SeverityInfo}}, ""},
		"worth knowing, of a cluster that cannot be asked": {api.ReasonUnknown, []api.Finding{{Code: "FL1009", Severity: api.SeverityInfo}}, ""},
		"a sink before its lane":                           {api.ReasonLaneFull, []api.Finding{finding("FL1201", "a"), finding("FL1303", "a")}, "FL1303"},
		"another sink":                                     {api.ReasonLaneFull, []api.Finding{finding("FL1201", "a"), finding("FL1303", "b")}, "FL1201"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if is := api.HelpOf(test.reason).CauseAmong(test.all, "a"); is != nil {
				got = is.Code
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// What any burst brings about for a moment has no code; what fairlead check would find has.
func TestPassingWaitsHaveNoCode(t *testing.T) {
	now := time.Now()
	for _, reason := range []api.Reason{api.ReasonThrottled, api.ReasonLaneFull} {
		if v := (api.Verdict{Reason: reason, Since: now.Add(-checkWindow / 2)}); !passing(&v, now) {
			t.Errorf("%s for a moment is taken for a fault", reason)
		}
		if v := (api.Verdict{Reason: reason, Since: now.Add(-checkWindow)}); passing(&v, now) {
			t.Errorf("%s that lasts is no fault", reason)
		}
	}
	if v := (api.Verdict{Reason: api.ReasonSinkDown, Since: now}); passing(&v, now) {
		t.Error("a sink that is down is no fault")
	}
}

func TestSentences(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 21: "21st", 111: "111th", 1002: "1002nd"} {
		if got := ordinal(n); got != want {
			t.Errorf("ordinal of %d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0s", 1234567: "1ms", 1234 * time.Millisecond: "1.2s", time.Minute: "1m", 70 * time.Second: "1m10s", 2 * time.Hour: "2h0m",
	} {
		if got := about(d); got != want {
			t.Errorf("about %v: %s, want %s", d, got, want)
		}
	}
}

// Names from outside are part of no path that leads elsewhere: neither of a question nor of a
// replay.
func TestNamesOfObjectsAreSegmentsOfPaths(t *testing.T) {
	for _, bad := range []string{"..", ".", "../../nodes/n/proxy/run", "a%2f..", strings.Repeat("a", 254)} {
		for _, of := range []string{"namespace", "name"} {
			q := url.Values{"cluster": {"c"}, "resource": {"pods"}, "name": {"x"}, of: {bad}}
			r := httptest.NewRequest(http.MethodGet, "/explain?"+q.Encode(), http.NoBody)
			if code, answer := (&program{}).explain(r, newExplainTurns()); code != http.StatusBadRequest {
				t.Errorf("explain of the %s %q: %d %v", of, bad, code, answer)
			}
			if _, err := replayRequestOf(r); err == nil {
				t.Errorf("replay of the %s %q is taken", of, bad)
			}
		}
	}
}
