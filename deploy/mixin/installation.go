package mixin

import "regexp"

// installationVars are the variables of every dashboard that tell installations apart. Those
// of a Prometheus without a label namespace, or job, have the value All only, and it finds them.
var installationVars = []variable{
	{"namespace", `label_values(fairlead_build_info, namespace)`},
	{"job", `label_values(fairlead_build_info{namespace=~"$namespace"}, job)`},
}

// installation is what stands between the braces of every selector of a dashboard.
const installation = `namespace=~"$namespace", job=~"$job"`

var selector = regexp.MustCompile(`\b((?:fairlead|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)

// ofInstallation returns a query whose selectors select only what comes from the installations
// that the variables name.
func ofInstallation(expr string) string {
	return selector.ReplaceAllStringFunc(expr, func(s string) string {
		m := selector.FindStringSubmatch(s)
		if m[2] == "" {
			return m[1] + "{" + installation + "}"
		}
		return m[1] + "{" + installation + ", " + m[2] + "}"
	})
}
