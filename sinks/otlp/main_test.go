package otlp_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, o otlp.Options) *otlp.Sink {
	t.Helper()
	s, err := otlp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// change is number n of a cluster's.
func change(cluster string, n int) *pipeline.Change {
	return &pipeline.Change{
		Key: pipeline.Key{Cluster: cluster, Resource: "configmaps", Namespace: "ns", Name: fmt.Sprint("cm-", n)},
		Origin: &pipeline.Origin{
			Cluster: cluster, ClusterUID: "uid of " + cluster, Kind: "ConfigMap", Namespaced: true, Term: 3,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		},
		Op: pipeline.Added, UID: types.UID(fmt.Sprint("u-", n)), ResourceVersion: fmt.Sprint(n),
		Object: fmt.Appendf(nil, `{"data":{"n":"%d"}}`, n), Observed: time.Date(2026, 11, 27, 20, 0, n, 0, time.UTC), Sequence: uint64(100 + n),
	}
}

// The messages as they are in JSON.
type (
	logs struct {
		ResourceLogs []struct {
			Resource  struct{ Attributes attributes }
			ScopeLogs []struct {
				Scope      struct{ Name, Version string }
				LogRecords []logRecord
			}
		}
	}
	logRecord struct {
		TimeUnixNano, ObservedTimeUnixNano string
		SeverityNumber                     json.RawMessage
		SeverityText, EventName            string
		Body                               *value
		Attributes                         attributes
	}
	attributes []struct {
		Key   string
		Value value
	}
	value struct {
		StringValue *string
		IntValue    *json.RawMessage // a string, or a number
		BoolValue   *bool
		BytesValue  *string
		DoubleValue *json.RawMessage
		ArrayValue  *struct{ Values []value }
		KvlistValue *struct{ Values attributes }
	}
)

func (a attributes) of() map[string]string {
	all := map[string]string{}
	for _, kv := range a {
		all[kv.Key] = kv.Value.text()
	}
	return all
}

func (v *value) text() string {
	switch {
	case v.StringValue != nil:
		return *v.StringValue
	case v.IntValue != nil:
		return strings.Trim(string(*v.IntValue), `"`)
	case v.BoolValue != nil:
		return strconv.FormatBool(*v.BoolValue)
	case v.BytesValue != nil:
		raw, _ := base64.StdEncoding.DecodeString(*v.BytesValue)
		return string(raw)
	}
	return ""
}

// json returns a value as JSON.
func (v *value) json(t testing.TB) json.RawMessage {
	t.Helper()
	var plain any
	switch {
	case v.KvlistValue != nil:
		object := map[string]json.RawMessage{}
		for _, member := range v.KvlistValue.Values {
			object[member.Key] = member.Value.json(t)
		}
		plain = object
	case v.ArrayValue != nil:
		list := []json.RawMessage{}
		for i := range v.ArrayValue.Values {
			list = append(list, v.ArrayValue.Values[i].json(t))
		}
		plain = list
	case v.DoubleValue != nil:
		return *v.DoubleValue
	case v.IntValue != nil:
		return json.RawMessage(v.text())
	case v.BoolValue != nil:
		plain = *v.BoolValue
	case v.StringValue != nil:
		plain = *v.StringValue
	}
	text, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// events returns what a request says, as events again: nothing of one may be lost.
func events(t testing.TB, request []byte) (all []pipeline.Event) {
	t.Helper()
	var l logs
	if err := json.Unmarshal(request, &l); err != nil {
		t.Fatalf("%v: %.300s", err, request)
	}
	for _, of := range l.ResourceLogs {
		resource := of.Resource.Attributes.of()
		if resource["service.name"] != "fairlead" {
			t.Errorf("resource %v", resource)
		}
		for _, scope := range of.ScopeLogs {
			for i := range scope.LogRecords {
				all = append(all, eventOf(t, resource, &scope.LogRecords[i]))
			}
		}
	}
	return all
}

func eventOf(t testing.TB, resource map[string]string, r *logRecord) pipeline.Event {
	t.Helper()
	a := r.Attributes.of()
	if r.TimeUnixNano != r.ObservedTimeUnixNano || r.EventName != a["cloudevents.event_type"] || r.SeverityText != "INFO" {
		t.Errorf("a record of %s at %s and %s, %s", r.EventName, r.TimeUnixNano, r.ObservedTimeUnixNano, r.SeverityText)
	}
	nanos, err := strconv.ParseInt(r.TimeUnixNano, 10, 64)
	if err != nil {
		t.Error(err)
	}
	event := map[string]any{
		"specversion": a["cloudevents.event_spec_version"], "type": a["cloudevents.event_type"], "source": a["cloudevents.event_source"],
		"subject": a["cloudevents.event_subject"], "id": a["cloudevents.event_id"], "time": time.Unix(0, nanos).UTC(),
		"cluster": resource["k8s.cluster.name"], "apiversion": a["fairlead.apiversion"],
		"name": a["fairlead.name"],
	}
	for name, value := range map[string]string{
		"clusteruid": resource["k8s.cluster.uid"], "kind": a["fairlead.kind"], "namespace": a["k8s.namespace.name"],
		"resourceversion": a["fairlead.resource_version"], "term": ordinal(a["fairlead.term"]), "sequence": ordinal(a["fairlead.sequence"]),
	} {
		if value != "" {
			event[name] = value
		}
	}
	for _, name := range []string{"snapshot", "tombstone"} {
		if a["fairlead."+name] == "true" {
			event[name] = true
		}
	}
	switch {
	case r.Body == nil:
	case r.Body.KvlistValue != nil:
		event["data"], event["datacontenttype"] = r.Body.json(t), "application/json"
	case r.Body.text() != "":
		event["data"], event["datacontenttype"] = json.RawMessage(r.Body.text()), "application/json"
	}
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatalf("%v: %.300s", err, r.Body.text())
	}
	e, err := pipeline.ParseEvent(text)
	if err != nil {
		t.Fatalf("%v: %.600s", err, text)
	}
	if e.UID() != a["fairlead.uid"] || e.Key().Resource != a["fairlead.resource"] {
		t.Errorf("uid %q, resource %q of %s", a["fairlead.uid"], a["fairlead.resource"], e.ID)
	}
	return e
}

// inOrder is how a consumer reads records: by term and sequence. A request that was broken off may
// arrive after those that came later.
func inOrder(all []pipeline.Event) []pipeline.Event {
	slices.SortStableFunc(all, func(a, b pipeline.Event) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
	})
	return all
}

// ordinal has 20 digits.
func ordinal(text string) string {
	if text == "" {
		return ""
	}
	return strings.Repeat("0", 20-len(text)) + text
}
