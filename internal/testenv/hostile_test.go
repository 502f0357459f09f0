package testenv_test

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// hostileAnswer is what a hostile member says to a plain GET; of a body of more
// than a megabyte the start.
func hostileAnswer(t *testing.T, h *testenv.Hostile, path string, header ...string) (*http.Response, string) {
	t.Helper()
	client, err := rest.HTTPClientFor(h.Config())
	if err != nil {
		t.Fatal(err)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 3<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestHostileIsHonestByDefault(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	for _, name := range []string{"a", "b", "c"} {
		h.Put("configmaps", "default", name, map[string]any{"data": map[string]any{"k": name}})
	}
	h.Put("widgets", "default", "w", nil)

	text, err := testenv.Kubeconfig(h)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil || config.BearerToken != h.Token() {
		t.Fatalf("kubeconfig: %v, %v", config, err)
	}
	found := discovery.NewDiscoveryClientForConfigOrDie(config)
	groups, lists, err := found.ServerGroupsAndResources()
	if err != nil || len(groups) != 2 || len(lists) != 2 {
		t.Errorf("discovery: %d groups, %d lists, %v, want two of each", len(groups), len(lists), err)
	}

	client := testenv.NewConfigMaps(t, h.Config(), "default")
	list := new(corev1.ConfigMapList)
	page := client.REST.Get().Namespace("default").Resource("configmaps").Param("limit", "2")
	if err := page.Do(t.Context()).Into(list); err != nil || len(list.Items) != 2 || list.Continue == "" {
		t.Fatalf("first page: %v, %v, want 2 of 3", list, err)
	}
	rest := new(corev1.ConfigMapList)
	if err := page.Param("continue", list.Continue).Do(t.Context()).Into(rest); err != nil || len(rest.Items) != 1 ||
		rest.Items[0].Data["k"] != "c" || rest.ResourceVersion != list.ResourceVersion {
		t.Errorf("second page: %v, %v, want c", rest, err)
	}
	if _, err := client.Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := client.Get(t.Context(), "z"); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want not found", err)
	}
	if _, err := client.Create(t.Context(), "z"); !apierrors.IsMethodNotSupported(err) {
		t.Errorf("got %v, want method not supported", err)
	}

	changes, err := client.Watch(t.Context(), list.ResourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	h.Put("secrets", "default", "other", nil)
	h.Put("configmaps", "default", "a", nil)
	h.Delete("configmaps", "default", "b")
	for _, want := range []struct {
		kind watch.EventType
		name string
	}{{watch.Modified, "a"}, {watch.Deleted, "b"}} {
		event := testenv.Next(t, changes)
		if got := event.Object.(*corev1.ConfigMap); event.Type != want.kind || got.Name != want.name {
			t.Errorf("got %s %s, want %s %s", event.Type, got.Name, want.kind, want.name)
		}
	}
	h.Compact()
	if err := apierrors.FromObject(testenv.FirstEvent(t, client, list.ResourceVersion).Object); !apierrors.IsResourceExpired(err) {
		t.Errorf("watch from before the compaction: got %v, want 410", err)
	}
	if err := page.Param("continue", list.Continue).Do(t.Context()).Error(); !apierrors.IsResourceExpired(err) {
		t.Errorf("page from before the compaction: got %v, want 410", err)
	}
	h.Drop()
	if event, open := <-changes.ResultChan(); open {
		t.Errorf("got %v, want the end of the watch", event)
	}
}

func TestHostileStreamingList(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	h.Put("configmaps", "default", "a", nil)
	client := testenv.NewConfigMaps(t, h.Config(), "default")
	yes := true
	changes, err := client.REST.Get().Resource("configmaps").VersionedParams(&metav1.ListOptions{
		Watch: true, SendInitialEvents: &yes, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}, scheme.ParameterCodec).SetHeader("Accept", "application/json").Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	if event := testenv.Next(t, changes); event.Type != watch.Added {
		t.Errorf("got %v, want a added", event)
	}
	if event := testenv.Next(t, changes); event.Type != watch.Bookmark ||
		event.Object.(*corev1.ConfigMap).Annotations[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("got %v, want the end of the initial events", event)
	}
	_, body := hostileAnswer(t, h, "/api/v1/configmaps", "Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
	if !strings.Contains(body, `"kind":"PartialObjectMetadata"`) {
		t.Errorf("got %s, want metadata only", body)
	}
}

func TestHostileLies(t *testing.T) {
	const list, namespace = "/api/v1/configmaps", "/api/v1/namespaces/kube-system"
	tests := map[string]struct {
		about testenv.About
		lie   func(h *testenv.Hostile) testenv.Lie
		path  string
		code  int
		check func(h *testenv.Hostile, resp *http.Response, body string) bool
	}{
		"endless": {testenv.Lists, always(testenv.Endless(200, `{"items":[`, "{},")), list, 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return len(body) == 3<<20 && strings.HasPrefix(body, `{"items":[{},`)
		}},
		"gzip bomb": {testenv.Discovery, always(testenv.GzipBomb(200, `{"resources":[`, "{},")), "/api/v1", 200, func(_ *testenv.Hostile, resp *http.Response, body string) bool {
			return resp.Uncompressed && len(body) == 3<<20
		}},
		"endless error": {testenv.Everything, always(testenv.Endless(500, "", "x")), "/version", 500, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return len(body) == 3<<20
		}},
		"throttled": {testenv.Discovery, always(testenv.Throttle(1e9)), "/apis", 429, func(_ *testenv.Hostile, resp *http.Response, _ string) bool {
			return resp.Header.Get("Retry-After") == "1000000000"
		}},
		"HTML": {testenv.Lists, always(testenv.HTML(404)), list, 404, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Contains(body, "<html>")
		}},
		"redirect": {testenv.Everything, always(testenv.Redirect("https://elsewhere.invalid")), list, 302, func(_ *testenv.Hostile, resp *http.Response, _ string) bool {
			return resp.Header.Get("Location") == "https://elsewhere.invalid"+list
		}},
		"redirect to itself": {testenv.Everything, always(testenv.Redirect("")), list, 302, func(_ *testenv.Hostile, resp *http.Response, _ string) bool {
			return resp.Header.Get("Location") == list
		}},
		"refused": {testenv.Path(list), always(testenv.Refuse(403, "Forbidden", "no")), list, 403, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Contains(body, `"reason":"Forbidden"`)
		}},
		"kind": {testenv.Discovery, always(testenv.Discovered(func(r map[string]any) { r["kind"] = `X"}` })), "/api/v1", 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Contains(body, `"kind":"X\"}"`) && strings.Contains(body, `"name":"configmaps"`)
		}},
		"another UID": {testenv.Identity, always(testenv.OtherUID("another")), namespace, 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Contains(body, `"uid":"another"`)
		}},
		"no UTF-8": {testenv.Lists, always(testenv.InvalidUTF8), list, 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return !utf8.ValidString(body) && strings.Contains(body, "a")
		}},
		"keys twice": {testenv.Lists, always(testenv.DuplicateKeys), list, 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Count(body, `"metadata":{"name`) == 2 && strings.Count(body, `"another"`) == 2
		}},
		"token as version": {testenv.Version, always(testenv.Echo(200)), "/version", 200, func(h *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Contains(body, h.Token())
		}},
		"token in an error": {testenv.Lists, always(testenv.Echo(500)), list, 500, func(h *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Contains(body, h.Token()) && strings.Contains(body, base64.StdEncoding.EncodeToString([]byte(h.Token())))
		}},
		"invented": {testenv.Lists, always(testenv.Invent(300)), list, 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Count(body, `"invented-`) > 1000
		}},
		"invented in a watch": {testenv.Watches, always(testenv.Invent(300)), list + "?watch=true&resourceVersion=100", 200, func(_ *testenv.Hostile, _ *http.Response, body string) bool {
			return strings.Count(body, `{"type":"ADDED"`) > 1000
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := testenv.StartHostile(t, "liar")
			h.Put("configmaps", "default", "a", nil)
			var asked atomic.Int64
			h.Lie(testenv.Everything, testenv.Count(&asked))
			stop := h.Lie(test.about, test.lie(h))
			resp, body := hostileAnswer(t, h, test.path)
			if resp.StatusCode != test.code || !test.check(h, resp, body) {
				t.Errorf("got %d and %.300q", resp.StatusCode, body)
			}
			stop()
			if strings.Contains(test.path, "watch") {
				return
			}
			if resp, body = hostileAnswer(t, h, test.path); resp.StatusCode != http.StatusOK || !json.Valid([]byte(body)) {
				t.Errorf("after the lie: %d and %.300q", resp.StatusCode, body)
			}
		})
	}
}

func always(lie testenv.Lie) func(*testenv.Hostile) testenv.Lie {
	return func(*testenv.Hostile) testenv.Lie { return lie }
}

func TestHostileHangsUntilItCloses(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	hangs := make(chan struct{}, 1)
	h.Lie(testenv.Everything, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hangs <- struct{}{}
			testenv.Hang(next).ServeHTTP(w, r)
		})
	})
	client := testenv.NewConfigMaps(t, h.Config(), "default")
	answer := make(chan error, 1)
	go func() {
		_, err := client.Get(context.WithoutCancel(t.Context()), "a")
		answer <- err
	}()
	<-hangs
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-answer; err == nil {
		t.Error("a server that was closed has answered")
	}
}

// TestGzipBombIsSmall shows that the bomb is one: the client gets a thousand times
// what was sent.
func TestGzipBombIsSmall(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	h.Lie(testenv.Everything, testenv.GzipBomb(200, "", " "))
	resp, body := hostileAnswer(t, h, "/version", "Accept-Encoding", "gzip") // asked for, so not undone
	if resp.Uncompressed {
		t.Fatal("the client has undone it")
	}
	z, err := gzip.NewReader(strings.NewReader(body[:20<<10]))
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := io.Copy(io.Discard, z); n < 10<<20 {
		t.Errorf("20 KiB are %d bytes", n)
	}
}
