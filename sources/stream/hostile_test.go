package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// hostile is a member that says what it likes.
type hostile struct {
	group, version, resource, singular, kind string // in discovery
	page, frames                             []byte // of a list, of a watch
	pages                                    bool   // there are no streaming lists
}

func (m *hostile) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(code int, body []byte) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
			Body: io.NopCloser(bytes.NewReader(body)),
		}, nil
	}
	document := func(v any) (*http.Response, error) {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		return answer(200, body)
	}
	type object = map[string]any
	groupVersion := m.version
	if m.group != "" {
		groupVersion = m.group + "/" + m.version
	}
	switch q := r.URL.Query(); {
	case q.Get("sendInitialEvents") != "" && m.pages:
		return answer(422, []byte(status(422, "Invalid", "")))
	case q.Get("watch") != "":
		return answer(200, m.frames)
	case q.Get("limit") != "":
		return answer(200, m.page)
	case r.URL.Path == "/api":
		return document(object{"kind": "APIVersions", "versions": []string{"v1"}})
	case r.URL.Path == "/apis":
		version := object{"groupVersion": groupVersion, "version": m.version}
		return document(object{"kind": "APIGroupList", "groups": []object{{"name": m.group, "versions": []object{version}, "preferredVersion": version}}})
	case r.URL.Path == "/api/v1" && m.group != "":
		return document(object{"kind": "APIResourceList", "groupVersion": "v1", "resources": []object{}})
	}
	return document(object{"kind": "APIResourceList", "groupVersion": groupVersion, "resources": []object{
		{"name": m.resource, "singularName": m.singular, "namespaced": true, "kind": m.kind, "shortNames": []string{m.kind}, "verbs": []string{"list", "watch"}},
	}})
}

// on lets a stream have m for its member.
func (m *hostile) on(t *testing.T) func(*Options) {
	config := &rest.Config{Host: "http://hostile", QPS: -1}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client := &http.Client{Transport: m}
	calls, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	changed, onChange, _ := member.Validity()
	return func(o *Options) {
		o.Cluster = "mine"
		o.Connection = &fakeConnection{stale: map[string]bool{}, session: &member.Session{
			Cluster: "mine", UID: "uid-of-mine", Watches: calls, Calls: calls, Discovery: disco, Changed: changed, OnChange: onChange,
		}}
	}
}

// forgery closes the data of its event and goes on with attributes of another
// member's.
const forgery = `X"},"type":"dev.fairlead.resource.deleted.v1","source":"/clusters/other","cluster":"other","clusteruid":"u","name":"precious",` +
	`"id":"/v1/configmaps/u-1/deleted","x":{"y":"`

// FuzzHostileMember lets a member choose what it says of its resources, a page
// of a list and the frames of a watch. Every line that goes out must be what its
// attributes say, and these the member's own.
func FuzzHostileMember(f *testing.F) {
	const nameless = `{"metadata":{"name":"a","namespace":"ns","uid":"uid-a","resourceVersion":"1"}}`
	page := func(items ...string) string { return listOf(10, "", items...) }
	for _, seed := range []struct {
		group, version, resource, singular, kind, page, frames string
		mode                                                   uint8
	}{
		{"", "v1", "configmaps", "configmap", "ConfigMap", page(configMap("a", 1), nameless), event("MODIFIED", "a", 11) + "\n" + event("DELETED", "b", 12), 1},
		{"", "v1", "configmaps", "configmap", "ConfigMap", "", event("ADDED", "a", 1) + "\n" + endMark("10") + "\n" + event("DELETED", "a", 11), 0},
		{"", "v1", "configmaps", "configmap", forgery, page(nameless), "", 1},
		{"", "v1", "configmaps", "configmap", forgery, "", `{"type":"ADDED","object":` + nameless + `}`, 0},
		{forgery, "v1", "configmaps", "configmap", "K", page(nameless), "", 1},
		{"g.example.com", forgery, "configmaps", "configmap", "K", page(nameless), "", 1},
		{"g.example.com", "v1", "configmaps", "configmap", "Config-Map2", page(nameless), `{"type":"ADDED","object":` + nameless + `}`, 1},
		{"", "v1", strings.Repeat("A", 1000), "configmaps", "K", page(nameless), "", 1},
		{"", "v1", "../../x\x1b[2J\n<script>", "configmaps", "K\u202e", page(nameless), "", 1},
		{"", "v1", "configmaps", "configmap", "ConfigMap", page(configMap("a", 1), strings.Replace(configMap("b", 2), `"kind"`, `"Kind":"Secret","kind"`, 1)), "", 1},
		{"", "v1", "configmaps", "configmap", "ConfigMap", page(configMap("a", 1)), strings.Join([]string{
			strings.Replace(event("ADDED", "x", 12), `"kind"`, `"kind":"Secret","kind"`, 1),
			strings.Replace(event("ADDED", "x", 12), `"metadata"`, `"metadata":{"namespace":"default"},"metadata"`, 1),
			strings.Replace(event("ADDED", "x", 13), `"uid"`, `"uid":"u","uid"`, 1),
			strings.Replace(event("ADDED", "x", 14), `"name"`, `"Name":"y","name"`, 1),
			strings.Replace(event("ADDED", "x", 15), "ConfigMap", "Secret", 1),
			strings.Replace(event("ADDED", "x", 16), `"ns"`, `"other"`, 1),
			strings.Replace(event("ADDED", "x", 17), `"x"`, "\"x\xff\xfe\"", 1),
			strings.Replace(event("ADDED", "x", 18), `"v"`, "\"v\xff\xfe\"", 1),
			strings.Replace(event("ADDED", "x", 19), `"v"`, `"\ud800"`, 1),
			strings.Replace(event("ADDED", "a/b%@u/i%2Fd", 20), `"20"`, `"2/0"`, 1),
		}, "\n"), 3},
		{"", "v1", "configmaps", "configmap", "ConfigMap", page(configMap("a", 1)), event("ADDED", "x", 12) + `,"cluster":"other"}`, 5},
	} {
		f.Add(seed.group, seed.version, seed.resource, seed.singular, seed.kind, []byte(seed.page), []byte(seed.frames), seed.mode)
	}
	f.Fuzz(func(t *testing.T, group, version, resource, singular, kind string, page, frames []byte, mode uint8) {
		m := &hostile{group, version, resource, singular, kind, page, frames, mode&1 != 0}
		spec := Spec{Resource: "configmaps"}
		if mode&2 != 0 {
			spec.Namespace = "ns"
		}
		spec.Metadata = mode&4 != 0
		synctest.Test(t, func(t *testing.T) {
			h := start(t, m.on(t), func(o *Options) { o.Spec = spec })
			var lines [][]byte
			for {
				synctest.Wait()
				select {
				case c := <-h.queue.changes:
					for _, ghost := range begin(c) {
						deletion := *c
						deletion.Op, deletion.UID, deletion.Object, deletion.Tombstone = pipeline.Deleted, ghost, nil, true
						checkLine(t, deletion.AppendCloudEvent(nil), spec)
					}
					line := c.AppendCloudEvent(nil)
					checkLine(t, line, spec)
					lines = append(lines, line)
					c.Origin.Tracker.Ack(c)
					continue
				default:
				}
				break
			}
			s := h.stream.Status()
			if len(s.Resource) > 400 || !regexp.MustCompile(`^[a-z0-9.-]*$`).MatchString(s.Resource) {
				t.Errorf("resource %.400q in labels of metrics", s.Resource)
			}
			if err := h.stop(); err != nil {
				t.Error(err)
			}
			for _, line := range lines { // now that the stream's turn is free
				checkRetry(t, h.stream, line)
			}
		})
	})
}

// membersOf reads one JSON object, and nothing but it, with encoding/json's
// tokens.
func membersOf(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("it begins with %v, %w", open, err)
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		key := token.(string)
		if _, again := members[key]; again {
			return nil, fmt.Errorf("it has %q twice", key)
		}
		members[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows it: %w", err)
	}
	return members, nil
}

// checkLine checks an event of the hostile member's.
func checkLine(t *testing.T, line []byte, spec Spec) {
	t.Helper()
	if event := checkEvent(t, line, "mine", spec); string(event["clusteruid"]) != `"uid-of-mine"` {
		t.Fatalf("of another cluster: %s", line)
	}
}

// checkEvent checks an event without any of the code that wrote it.
func checkEvent(t *testing.T, line []byte, cluster string, spec Spec) map[string]json.RawMessage {
	t.Helper()
	if !utf8.Valid(line) || bytes.ContainsAny(line, "\r\n") {
		t.Fatalf("not one line of UTF-8: %q", line)
	}
	event, err := membersOf(line)
	if err != nil {
		t.Fatalf("no JSON object: %v: %s", err, line)
	}
	text := func(members map[string]json.RawMessage, key string) (s string) {
		if raw, ok := members[key]; ok && json.Unmarshal(raw, &s) != nil {
			t.Fatalf("%s is no string: %s", key, line)
		}
		return s
	}
	for key := range event {
		if strings.ToLower(key) != key {
			t.Fatalf("an attribute %q: %s", key, line)
		}
	}
	if text(event, "cluster") != cluster || text(event, "source") != "/clusters/"+cluster {
		t.Fatalf("under another member's name: %s", line)
	}
	if !regexp.MustCompile(`^([a-z0-9.-]{1,253}/)?[a-z0-9-]{1,63}$`).MatchString(text(event, "apiversion")) ||
		!regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`).MatchString(text(event, "kind")) {
		t.Fatalf("no kind of Kubernetes: %s", line)
	}
	if spec.Namespace != "" && text(event, "namespace") != spec.Namespace {
		t.Fatalf("of another namespace than %q: %s", spec.Namespace, line)
	}
	if string(event["tombstone"]) != "true" {
		object, err := membersOf(event["data"])
		if err != nil {
			t.Fatalf("data is no JSON object: %v: %s", err, line)
		}
		metadata, err := membersOf(object["metadata"])
		if err != nil {
			t.Fatalf("no metadata: %v: %s", err, line)
		}
		for key := range object {
			for _, word := range []string{"kind", "apiVersion", "metadata"} {
				if key != word && strings.EqualFold(key, word) {
					t.Fatalf("a member %q of the object: %s", key, line)
				}
			}
		}
		for key := range metadata {
			for _, word := range []string{"name", "namespace", "uid", "resourceVersion"} {
				if key != word && strings.EqualFold(key, word) {
					t.Fatalf("a member %q of the metadata: %s", key, line)
				}
			}
		}
		kind, apiVersion := text(object, "kind"), text(object, "apiVersion")
		if (kind != text(event, "kind") || apiVersion != text(event, "apiversion")) && (kind != "PartialObjectMetadata" || apiVersion != "meta.k8s.io/v1") {
			t.Fatalf("a %s of %s: %s", kind, apiVersion, line)
		}
		part := strings.NewReplacer("%", "%25", "/", "%2F")
		state := part.Replace(text(metadata, "resourceVersion"))
		if text(event, "type") == "dev.fairlead.resource.deleted.v1" {
			state = strings.TrimPrefix(state+"/deleted", "/")
		}
		uid := part.Replace(text(metadata, "uid"))
		if text(metadata, "name") != text(event, "name") || text(metadata, "namespace") != text(event, "namespace") ||
			text(metadata, "resourceVersion") != text(event, "resourceversion") || !strings.HasSuffix(text(event, "id"), "/"+uid+"/"+state) {
			t.Fatalf("the object is another one: %s", line)
		}
		if _, err := replay.Parse(line); err != nil && uid != "" {
			t.Fatal(err)
		}
	}
	var whole any
	if err := json.Unmarshal(line, &whole); err != nil {
		t.Fatalf("a decoder refuses it: %v: %s", err, line)
	}
	return event
}

// checkRetry writes a line as a dead letter and has it read back and sent again.
func checkRetry(t *testing.T, s *Stream, line []byte) {
	t.Helper()
	e, err := pipeline.ParseEvent(line)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.changeOf(&e)
	if err != nil {
		t.Fatal(err)
	}
	c.Sequence, c.Origin.Term = uint64(e.Sequence), uint64(e.Term) // it gets others when it is sent
	if again := c.AppendCloudEvent(nil); !bytes.Equal(again, line) {
		t.Fatalf("sent again as\n%s\nwant\n%s", again, line)
	}
	other := e
	other.Cluster = "other"
	if _, err := s.Redeliver(context.Background(), "a", &other); err == nil {
		t.Fatalf("sent again as another member's: %s", line)
	}
}
