package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
)

var (
	eventConfigMaps = &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "cu-1", Kind: "ConfigMap", Namespaced: true,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	}
	eventDeployments = &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "cu-1", Kind: "Deployment", Namespaced: true,
		Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
	}
	eventNodes = &pipeline.Origin{
		Cluster: "arn:aws:eks:eu-west-1:123:cluster/prod blue", Kind: "Node",
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "nodes"},
	}
	eventTime = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.FixedZone("CET", 3600))
)

func TestAppendCloudEvent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change pipeline.Change
		want   string
	}{
		{
			"core group, namespaced, from a watch",
			pipeline.Change{
				Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: "cm"},
				Origin: eventConfigMaps, Op: pipeline.Added, UID: "u-1", ResourceVersion: "42",
				Object: []byte(`{"a":1}`), Observed: eventTime,
			},
			`{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/alpha",` +
				`"subject":"/api/v1/namespaces/ns/configmaps/cm","id":"/v1/configmaps/u-1/42","time":"2026-03-04T04:06:07.089Z",` +
				`"datacontenttype":"application/json","cluster":"alpha","clusteruid":"cu-1","apiversion":"v1","kind":"ConfigMap",` +
				`"namespace":"ns","name":"cm","resourceversion":"42","data":{"a":1}}`,
		},
		{
			"named group, from a snapshot",
			pipeline.Change{
				Key:    pipeline.Key{Cluster: "alpha", Resource: "deployments.apps", Namespace: "ns", Name: "d"},
				Origin: eventDeployments, Op: pipeline.Updated, UID: "u-2", ResourceVersion: "43", Snapshot: true,
				Object: []byte(`{}`), Observed: eventTime,
			},
			`{"specversion":"1.0","type":"dev.fairlead.resource.updated.v1","source":"/clusters/alpha",` +
				`"subject":"/apis/apps/v1/namespaces/ns/deployments/d","id":"apps/v1/deployments/u-2/43","time":"2026-03-04T04:06:07.089Z",` +
				`"datacontenttype":"application/json","cluster":"alpha","clusteruid":"cu-1","apiversion":"apps/v1","kind":"Deployment",` +
				`"namespace":"ns","name":"d","resourceversion":"43","snapshot":true,"data":{}}`,
		},
		{
			"a deletion that the watch told of keeps the last state",
			pipeline.Change{
				Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: "cm"},
				Origin: eventConfigMaps, Op: pipeline.Deleted, UID: "u-1", ResourceVersion: "50",
				Object: []byte("{\n  \"a\": 1\r\n}"), Observed: eventTime,
			},
			`{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/alpha",` +
				`"subject":"/api/v1/namespaces/ns/configmaps/cm","id":"/v1/configmaps/u-1/50/deleted","time":"2026-03-04T04:06:07.089Z",` +
				`"datacontenttype":"application/json","cluster":"alpha","clusteruid":"cu-1","apiversion":"v1","kind":"ConfigMap",` +
				`"namespace":"ns","name":"cm","resourceversion":"50","data":{   "a": 1  }}`,
		},
		{
			"a tombstone, cluster-scoped, of a cluster whose name is no URI segment",
			pipeline.Change{
				Key:    pipeline.Key{Cluster: "arn:aws:eks:eu-west-1:123:cluster/prod blue", Resource: "nodes", Name: "n"},
				Origin: eventNodes, Op: pipeline.Deleted, UID: "u-3", Tombstone: true, Snapshot: true,
			},
			`{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/arn:aws:eks:eu-west-1:123:cluster%2Fprod%20blue",` +
				`"subject":"/api/v1/nodes/n","id":"/v1/nodes/u-3/deleted",` +
				`"cluster":"arn:aws:eks:eu-west-1:123:cluster/prod blue","apiversion":"v1","kind":"Node",` +
				`"name":"n","snapshot":true,"tombstone":true}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			object := bytes.Clone(tt.change.Object)
			got := tt.change.AppendCloudEvent([]byte("before "))
			if diff := cmp.Diff("before "+tt.want, string(got)); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if !bytes.Equal(object, tt.change.Object) {
				t.Error("the change's object was modified")
			}
			e, err := pipeline.ParseEvent([]byte(tt.want))
			if err != nil {
				t.Fatal(err)
			}
			if e.Key() != tt.change.Key || e.Op() != tt.change.Op || e.UID() != string(tt.change.UID) {
				t.Errorf("read back as %v %v %v", e.Key(), e.Op(), e.UID())
			}
		})
	}
}

func TestAppendCloudEventAllocatesNothing(t *testing.T) {
	c := benchmarkChange()
	buf := make([]byte, 0, 8<<10)
	if n := testing.AllocsPerRun(100, func() { buf = c.AppendCloudEvent(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations per event, want 0", n)
	}
}

func TestParseEventRefuses(t *testing.T) {
	const good = `{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/a%2Fb","subject":"/apis/g/v1/namespaces/ns/pods/n",` +
		`"id":"g/v1/pods/u/1","cluster":"a/b","apiversion":"g/v1","namespace":"ns","name":"n","resourceversion":"1","later":{"A":1,"A":2}}`
	if e, err := pipeline.ParseEvent([]byte(good + "\n")); err != nil || e.Resource().String() != "g/v1, Resource=pods" {
		t.Fatalf("%v, %v", e, err)
	}
	other := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("there is no %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, line := range []string{
		"", "null", "[]", good[:40], good + good, good + "]",
		other("1.0", "0.3"), other("fairlead", "example"), other("added", "gone"), other("/u/1", "/u"),
		// Who it is from.
		other(`"cluster":"a/b"`, `"cluster":"c"`), other(`"cluster":"a/b"`, `"cluster":"a/b","cluster":"a/b"`),
		other(`"cluster":"a/b"`, `"Cluster":"a/b"`), other(`"cluster":"a/b"`, `"cluster":"a/b","Cluster":"c"`),
		other(`"cluster":"a/b"`, `"cluster":"a/b","clu\u0073ter":"c"`), other(`"source":"/clusters/a%2Fb"`, `"source":"/clusters/a/b"`),
		strings.ReplaceAll(other("a%2Fb", ""), "a/b", ""), other(`"cluster"`, `"\u212Aind":"x","cluster"`),
		// What it is about.
		other(`"name":"n"`, `"name":"m"`), other(`"namespace":"ns",`, ``), other(`"apiversion":"g/v1"`, `"apiversion":"g/v2"`),
		other("g/v1/pods/u/1", "/v1/pods/u/1"), other("/u/1", "/u/2"), other("/u/1", "/u/deleted"), other(`added.v1`, `deleted.v1`),
		other("ns/pods/n", "ns/pods/m"), other("/pods/u", "/jobs/u"),
		other(`"later"`, "\"l\xffater\""), other(`{"A"`, "{\"\xff\""),
	} {
		if e, err := pipeline.ParseEvent([]byte(line)); err == nil {
			t.Errorf("%s was taken for %+v", line, e)
		}
	}
}

// TestIDsOfDifferentStatesDiffer has UIDs and versions that hold what
// separates them.
func TestIDsOfDifferentStatesDiffer(t *testing.T) {
	ids := map[string]string{}
	for _, state := range [][2]string{{"a", "b/c"}, {"a/b", "c"}, {"a%2Fb", "c"}, {"", "a/b/c"}} {
		c := pipeline.Change{
			Key: pipeline.Key{Cluster: "alpha", Resource: "configmaps", Name: "n"}, Origin: eventConfigMaps,
			Op: pipeline.Updated, UID: types.UID(state[0]), ResourceVersion: state[1],
		}
		e, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
		if err != nil {
			t.Fatal(err)
		}
		if e.UID() != state[0] || e.ResourceVersion != state[1] {
			t.Errorf("read back as %q, %q, want %q", e.UID(), e.ResourceVersion, state)
		}
		if is, taken := ids[e.ID]; taken {
			t.Errorf("%q has id %s, and so has %s", state, e.ID, is)
		}
		ids[e.ID] = strings.Join(state[:], " ")
	}
}

// FuzzCloudEvent holds the encoder against encoding/json and net/url: whatever
// the names hold, an event is one line of valid JSON that reads back the same.
func FuzzCloudEvent(f *testing.F) {
	f.Add("alpha", "apps", "v1", "deployments", "Deployment", "ns", "name", "uid", "1", `{"a":"b"}`, int64(0), uint8(0))
	f.Add("a/b", "", "v1", "pods", "", "", "sys\"tem:\\x", "\x00\xff", "\u2028é", "{\n\"a\":\r[]}", int64(1e18), uint8(7))
	f.Add("%41", "g", "v", "r", "k\t", "\xed\xa0\x80", "名前", "u/i/d", "", "null", int64(-1), uint8(5))
	f.Add("alpha", "", "v1", "pods", "Pod", "ns", "name", "uid", "7", "{}", int64(3), uint8(65))
	f.Add("alpha", "g", "v1", "pods", "Pod", "ns", "name", "uid", "", "", int64(3), uint8(194))
	f.Fuzz(func(t *testing.T, cluster, group, version, resource, kind, namespace, name, uid, rv, object string, nanos int64, flags uint8) {
		c := &pipeline.Change{
			Key: pipeline.Key{Cluster: cluster, Namespace: namespace, Name: name},
			Origin: &pipeline.Origin{Cluster: cluster, ClusterUID: uid, Kind: kind,
				Resource: schema.GroupVersionResource{Group: group, Version: version, Resource: resource}},
			Op: pipeline.Op(flags%3) + pipeline.Added, UID: types.UID(uid), ResourceVersion: rv,
			Snapshot: flags&4 != 0, Tombstone: flags&8 != 0, Observed: time.Unix(0, nanos),
			Generation: uint32(flags >> 6), Sequence: uint64(flags >> 4),
		}
		if json.Valid([]byte(object)) {
			c.Object = []byte(object)
		}
		line := c.AppendCloudEvent(nil)
		if bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("not one line: %q", line)
		}
		var e pipeline.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		checkAttributes(t, c, line)
		apiVersion := version
		if group != "" {
			apiVersion = group + "/" + version
		}
		part := strings.NewReplacer("%", "%25", "/", "%2F")
		state := part.Replace(rv)
		if c.Op == pipeline.Deleted {
			state = strings.TrimPrefix(state+"/deleted", "/")
		}
		if c.Generation > 0 {
			state += fmt.Sprint("/g", c.Generation)
		}
		id := group + "/" + version + "/" + resource + "/" + part.Replace(uid) + "/" + state
		subject := "/api/" + url.PathEscape(version)
		if group != "" {
			subject = "/apis/" + url.PathEscape(group) + "/" + url.PathEscape(version)
		}
		if namespace != "" {
			subject += "/namespaces/" + url.PathEscape(namespace)
		}
		want := pipeline.Event{
			SpecVersion: "1.0", Type: "dev.fairlead.resource." + c.Op.String() + ".v1",
			Source: "/clusters/" + url.PathEscape(cluster), Subject: subject + "/" + url.PathEscape(resource) + "/" + url.PathEscape(name),
			ID: utf8As(t, id), Time: c.Observed, Cluster: utf8As(t, cluster), ClusterUID: utf8As(t, uid), APIVersion: utf8As(t, apiVersion),
			Kind: utf8As(t, kind), Namespace: utf8As(t, namespace), Name: utf8As(t, name), ResourceVersion: utf8As(t, rv),
			Snapshot: c.Snapshot, Tombstone: c.Tombstone, Sequence: pipeline.Ordinal(c.Sequence),
		}
		if c.Object != nil {
			want.DataContentType = "application/json"
			want.Data = json.RawMessage(strings.NewReplacer("\n", " ", "\r", " ").Replace(strings.TrimLeft(object, " \t\r\n")))
			want.Data = bytes.TrimRight(want.Data, " \t")
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
		text := cluster + group + version + resource + kind + namespace + name + uid + rv + object
		if !utf8.ValidString(text) || cluster == "" || name == "" || strings.Contains(group+version+resource, "/") {
			return // what no stream lets pass
		}
		if e, err := pipeline.ParseEvent(line); err != nil || e.UID() != uid || e.Key().Cluster != cluster {
			t.Fatalf("read back as %+v, %v: %s", e, err, line)
		}
	})
}

// utf8As returns s as encoding/json brings it across.
func utf8As(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out string
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func benchmarkChange() *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "team-a", Name: "settings-0001"},
		Origin: eventConfigMaps, Op: pipeline.Updated,
		UID: "5b9ac6c5-7ed6-4c2c-8f4b-6f5d6cd1b9d1", ResourceVersion: "123456", Observed: eventTime,
		Object: []byte(`{"kind":"ConfigMap","apiVersion":"v1","data":{"k":"` + strings.Repeat("x", 2600) + `"}}`),
	}
}

func BenchmarkAppendCloudEvent(b *testing.B) {
	c := benchmarkChange()
	buf := c.AppendCloudEvent(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = c.AppendCloudEvent(buf[:0])
	}
}
