package testenv

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// honest answers as an API server does. Each document, and each frame of a
// watch, is one Write.
func (h *Hostile) honest(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+h.token:
		refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
		return
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "the server does not allow this method on the requested resource")
		return
	}
	switch path := strings.TrimSuffix(r.URL.Path, "/"); path {
	case "/readyz", "/livez", "/healthz":
		_, _ = w.Write([]byte("ok"))
	case "/version":
		reply(w, map[string]any{"major": "1", "minor": "36", "gitVersion": "v1.36.3"})
	case "/api":
		reply(w, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case "/apis":
		version := map[string]any{"groupVersion": "hostile.example/v1", "version": "v1"}
		reply(w, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{
			map[string]any{"name": "hostile.example", "versions": []any{version}, "preferredVersion": version},
		}})
	case "/api/v1", "/apis/hostile.example/v1":
		group := strings.TrimPrefix(strings.TrimPrefix(path, "/api/"), "/apis/")
		var all []hostileResource
		for _, resource := range hostileResources {
			if resource.groupVersion() == group {
				all = append(all, resource)
			}
		}
		reply(w, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": all})
	case "/api/v1/namespaces/kube-system":
		reply(w, form(r, map[string]any{
			"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": "kube-system", "uid": h.UID(), "resourceVersion": "1"},
		}))
	default:
		h.resource(w, r, path)
	}
}

func (h *Hostile) resource(w http.ResponseWriter, r *http.Request, path string) {
	resource, namespace, name, ok := resourceOf(path)
	q := r.URL.Query()
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	case name != "":
		found, _ := h.present(keyOf(resource.Name, namespace, name))
		if version, _ := strconv.Atoi(q.Get("resourceVersion")); version > h.newest() {
			tooLarge(w, version)
		} else if len(found) == 0 || found[0].key != keyOf(resource.Name, namespace, name) {
			refuse(w, http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", resource.Name, name))
		} else {
			reply(w, form(r, found[0].object))
		}
	case q.Get("labelSelector") != "" || q.Get("fieldSelector") != "":
		refuse(w, http.StatusBadRequest, "BadRequest", "hostile members know no selectors")
	case q.Get("watch") != "":
		h.watch(w, r, resource, prefixOf(resource, namespace))
	default:
		h.list(w, r, resource, prefixOf(resource, namespace))
	}
}

func (h *Hostile) newest() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.version
}

func prefixOf(resource hostileResource, namespace string) string {
	if namespace == "" {
		return resource.Name + "/"
	}
	return resource.Name + "/" + namespace + "/"
}

// list answers a page; each tells the present state.
func (h *Hostile) list(w http.ResponseWriter, r *http.Request, resource hostileResource, prefix string) {
	q := r.URL.Query()
	found, version := h.present(prefix)
	if token := q.Get("continue"); token != "" {
		began, last, _ := strings.Cut(token, " ")
		version, _ = strconv.Atoi(began)
		if _, _, _, kept := h.after(prefix, version); !kept {
			refuse(w, http.StatusGone, "Expired", "The provided continue parameter is too old")
			return
		}
		found = slices.DeleteFunc(found, func(c change) bool { return c.key <= last })
	}
	meta := map[string]any{"resourceVersion": strconv.Itoa(version)}
	if limit, _ := strconv.Atoi(q.Get("limit")); limit > 0 && len(found) > limit {
		meta["continue"] = strconv.Itoa(version) + " " + found[limit-1].key
		meta["remainingItemCount"] = len(found) - limit
		found = found[:limit]
	}
	items := []any{}
	for _, c := range found {
		items = append(items, form(r, c.object))
	}
	list := map[string]any{"apiVersion": resource.groupVersion(), "kind": resource.Kind + "List", "metadata": meta, "items": items}
	if metadataOnly(r) {
		list["apiVersion"], list["kind"] = "meta.k8s.io/v1", "PartialObjectMetadataList"
	}
	reply(w, list)
}

// watch tells what changes until the request ends.
func (h *Hostile) watch(w http.ResponseWriter, r *http.Request, resource hostileResource, prefix string) {
	q := r.URL.Query()
	from, err := strconv.Atoi(q.Get("resourceVersion"))
	frame := func(kind string, object map[string]any) {
		reply(w, map[string]any{"type": kind, "object": object})
	}
	bookmark := func(annotations map[string]any) {
		frame("BOOKMARK", form(r, map[string]any{
			"apiVersion": resource.groupVersion(), "kind": resource.Kind,
			"metadata": map[string]any{"resourceVersion": strconv.Itoa(from), "annotations": annotations},
		}))
	}
	initial := q.Get("sendInitialEvents")
	if initial != "false" && (initial == "true" || err != nil || from == 0) {
		var found []change
		found, from = h.present(prefix)
		for _, c := range found {
			frame(c.kind, form(r, c.object))
		}
		if initial == "true" {
			bookmark(map[string]any{"k8s.io/initial-events-end": "true"})
		}
	}
	var bookmarks <-chan time.Time
	if q.Get("allowWatchBookmarks") == "true" {
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		bookmarks = ticker.C
	}
	var timeout <-chan time.Time
	if seconds, err := strconv.Atoi(q.Get("timeoutSeconds")); err == nil && seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	flusher := http.NewResponseController(w)
	for {
		changes, newest, more, kept := h.after(prefix, from)
		if !kept {
			frame("ERROR", statusObject(http.StatusGone, "Expired", "too old resource version"))
			return
		}
		for _, c := range changes {
			frame(c.kind, form(r, c.object))
		}
		from = max(from, newest)
		if flusher.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-bookmarks:
			bookmark(nil)
		case <-timeout:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func metadataOnly(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata;")
}

// form returns an object as the request wants it.
func form(r *http.Request, object map[string]any) map[string]any {
	if !metadataOnly(r) {
		return object
	}
	return map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // not reached: maps of texts
	}
	_, _ = w.Write(append(text, '\n'))
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	text, _ := json.Marshal(statusObject(code, reason, message))
	_, _ = w.Write(text)
}

// tooLarge refuses a version that is still to come.
func tooLarge(w http.ResponseWriter, version int) {
	status := statusObject(http.StatusGatewayTimeout, "Timeout", "Too large resource version: "+strconv.Itoa(version))
	status["details"] = map[string]any{"causes": []any{map[string]any{"reason": "ResourceVersionTooLarge"}}, "retryAfterSeconds": 1}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusGatewayTimeout)
	text, _ := json.Marshal(status)
	_, _ = w.Write(text)
}

func statusObject(code int, reason, message string) map[string]any {
	return map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"reason": reason, "message": message, "code": code,
	}
}
