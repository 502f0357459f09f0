package simserver

import "strings"

// groups answers which API groups there are besides the core one.
func (s *Server) groups() map[string]any {
	list := []any{}
	seen := map[string]bool{"": true}
	for _, r := range s.resources {
		if seen[r.group] {
			continue
		}
		seen[r.group] = true
		version := map[string]string{"groupVersion": r.groupVersion(), "version": "v1"}
		list = append(list, map[string]any{"name": r.group, "versions": []any{version}, "preferredVersion": version})
	}
	return map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": list}
}

// resourceList answers which resources a group has.
func (s *Server) resourceList(group string) map[string]any {
	list := []any{}
	for _, r := range s.resources {
		if r.group == group {
			list = append(list, map[string]any{
				"name": r.plural, "singularName": strings.ToLower(r.kind), "namespaced": true, "kind": r.kind,
				"verbs": []string{"get", "list", "watch"},
			})
		}
	}
	return map[string]any{
		"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": resource{group: group}.groupVersion(), "resources": list,
	}
}
