package simserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// membersPath is before a member's name in the path.
const membersPath = "/members/"

// ServeHTTP implements http.Handler: it is every member's API server.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.stats.requests.Add(1)
	rest, ok := strings.CutPrefix(r.URL.Path, membersPath)
	name, path, _ := strings.Cut(rest, "/")
	m := s.byName[name]
	if !ok || m == nil {
		status(w, http.StatusNotFound, "NotFound", "there is no such member")
		return
	}
	if r.Method != http.MethodGet {
		status(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "simulated members can only be read")
		return
	}
	switch path {
	case "version":
		reply(w, map[string]string{"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "simulated"})
	case "healthz", "livez", "readyz":
		_, _ = w.Write([]byte("ok"))
	case "api":
		reply(w, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case "apis":
		reply(w, s.groups())
	case "api/v1/namespaces/kube-system":
		kind, version := "Namespace", "v1"
		if metadataOnly(r) {
			kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
		}
		reply(w, map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]string{
			"name": "kube-system", "uid": uid(m.index, 0xffff, 0, 0), "resourceVersion": "1",
		}})
	default:
		m.serveResource(w, r, path)
	}
}

// serveResource answers what is below a group's version.
func (m *Member) serveResource(w http.ResponseWriter, r *http.Request, path string) {
	var group string
	rest, ok := strings.CutPrefix(path, "api/v1")
	if !ok {
		if rest, ok = strings.CutPrefix(path, "apis/"); ok {
			group, rest, _ = strings.Cut(rest, "/")
			rest, ok = strings.CutPrefix(rest, "v1")
		}
	}
	if !ok || rest != "" && rest[0] != '/' {
		status(w, http.StatusNotFound, "NotFound", "the simulated members do not have this")
		return
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	if parts[0] == "" {
		reply(w, m.server.resourceList(group))
		return
	}
	namespace := ""
	if parts[0] == "namespaces" && len(parts) > 2 {
		namespace, parts = parts[1], parts[2:]
	}
	for _, c := range m.resources {
		if c.resource.plural != parts[0] || c.resource.group != group {
			continue
		}
		q := r.URL.Query()
		if q.Get("labelSelector") != "" || q.Get("fieldSelector") != "" {
			status(w, http.StatusBadRequest, "BadRequest", "simulated members know no selectors")
			return
		}
		switch {
		case len(parts) == 2:
			c.get(w, r, namespace, parts[1])
		case len(parts) > 2:
			status(w, http.StatusNotFound, "NotFound", "simulated objects have no subresources")
		case q.Get("watch") == "true" || q.Get("watch") == "1":
			c.watch(w, r, q, namespace)
		default:
			c.list(w, r, q, namespace)
		}
		return
	}
	status(w, http.StatusNotFound, "NotFound", "the simulated members do not have this resource")
}

func (c *collection) get(w http.ResponseWriter, r *http.Request, namespace, name string) {
	o, ok := c.find(numberOf(namespace, name))
	if !ok {
		status(w, http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", c.resource.plural, name))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(c.appendObject(nil, o, metadataOnly(r)))
}

// list answers a page. Each page tells the present state; what has changed
// between two pages a watch from the list's version tells again.
func (c *collection) list(w http.ResponseWriter, r *http.Request, q url.Values, namespace string) {
	c.member.server.stats.lists.Add(1)
	objects, version := c.present()
	from := 0
	if token := q.Get("continue"); token != "" {
		if _, err := fmt.Sscanf(token, "%d-%d", &version, &from); err != nil {
			status(w, http.StatusBadRequest, "BadRequest", "the continue token is none of this server's")
			return
		}
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	meta := metadataOnly(r)
	kind, api := c.resource.kind+"List", c.resource.groupVersion()
	if meta {
		kind, api = "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	var next string
	b := fmt.Appendf(nil, `{"kind":%q,"apiVersion":%q,"items":[`, kind, api)
	n := 0
	w.Header().Set("Content-Type", "application/json")
	for _, o := range objects {
		if o.number < from || namespace != "" && !inNamespace(o, namespace) {
			continue
		}
		if limit > 0 && n == limit {
			next = fmt.Sprintf("%d-%d", version, o.number)
			break
		}
		if n > 0 {
			b = append(b, ',')
		}
		n++
		b = c.appendObject(b, o, meta)
		if len(b) > 32<<10 {
			if _, err := w.Write(b); err != nil {
				return
			}
			b = b[:0]
		}
	}
	_, _ = w.Write(fmt.Appendf(b, `],"metadata":{"resourceVersion":"%d","continue":%q}}`, version, next))
}

func inNamespace(o object, namespace string) bool {
	own, _ := nameOf(o.number)
	return own == namespace
}

func metadataOnly(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return strings.Contains(first, "as=PartialObjectMetadata")
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// status refuses a request in the form that Kubernetes does.
func status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(statusObject(code, reason, message))
}

func statusObject(code int, reason, message string) map[string]any {
	return map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"reason": reason, "message": message, "code": code,
	}
}
