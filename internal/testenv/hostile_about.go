package testenv

import (
	"net/http"
	"strings"
)

// What lies may be about.

// Everything is every request.
func Everything(*http.Request) bool { return true }

// Path is about requests whose path begins so.
func Path(prefix string) About {
	return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, prefix) }
}

// Both is about what both are about.
func Both(a, b About) About {
	return func(r *http.Request) bool { return a(r) && b(r) }
}

// Identity is about who the cluster is.
func Identity(r *http.Request) bool { return r.URL.Path == "/api/v1/namespaces/kube-system" }

// Version is about what version the server has.
func Version(r *http.Request) bool { return r.URL.Path == "/version" }

// Discovery is about what resources there are.
func Discovery(r *http.Request) bool {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	return parts[0] == "api" && len(parts) <= 2 || parts[0] == "apis" && len(parts) <= 3
}

// Lists is about pages of lists.
func Lists(r *http.Request) bool { return isCollection(r) && r.URL.Query().Get("watch") == "" }

// Watches is about watches, but not about streaming lists.
func Watches(r *http.Request) bool {
	return isCollection(r) && r.URL.Query().Get("watch") != "" && !StreamingLists(r)
}

// StreamingLists is about watches that begin with all there is.
func StreamingLists(r *http.Request) bool {
	return isCollection(r) && r.URL.Query().Get("sendInitialEvents") == "true"
}

// Objects is about single objects, but not about the identity.
func Objects(r *http.Request) bool {
	_, _, name, ok := resourceOf(r.URL.Path)
	return ok && name != "" && !Identity(r)
}

func isCollection(r *http.Request) bool {
	_, _, name, ok := resourceOf(r.URL.Path)
	return ok && name == ""
}

// hostileResource is a resource that a Hostile serves.
type hostileResource struct {
	Name         string   `json:"name"`
	SingularName string   `json:"singularName"`
	Namespaced   bool     `json:"namespaced"`
	Kind         string   `json:"kind"`
	Verbs        []string `json:"verbs"`
	ShortNames   []string `json:"shortNames,omitempty"`
	group        string
}

var hostileResources = []hostileResource{
	{"namespaces", "namespace", false, "Namespace", []string{"get", "list", "watch"}, []string{"ns"}, ""},
	{"configmaps", "configmap", true, "ConfigMap", []string{"get", "list", "watch"}, []string{"cm"}, ""},
	{"secrets", "secret", true, "Secret", []string{"get", "list", "watch"}, nil, ""},
	{"widgets", "widget", true, "Widget", []string{"get", "list", "watch"}, []string{"wd"}, "hostile.example"},
}

func (r hostileResource) groupVersion() string {
	if r.group == "" {
		return "v1"
	}
	return r.group + "/v1"
}

// resourceOf takes a path apart. namespace and name are empty where there are
// none.
func resourceOf(path string) (resource hostileResource, namespace, name string, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var group string
	switch {
	case len(parts) > 2 && parts[0] == "api" && parts[1] == "v1":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis" && parts[2] == "v1":
		group, parts = parts[1], parts[3:]
	default:
		return resource, "", "", false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 1 {
		name = parts[1]
	}
	for _, r := range hostileResources {
		if r.Name == parts[0] && r.group == group && len(parts) <= 2 && (r.Namespaced || namespace == "") {
			return r, namespace, name, true
		}
	}
	return resource, "", "", false
}
