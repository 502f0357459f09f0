package mixin

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Severities of alerts.
const (
	// Critical: nothing is delivered, or something is wrong that does not mend itself.
	Critical = "critical"
	// Warning: a part is not delivered, or will not be for long.
	Warning = "warning"
	// Info: all is delivered, later than it might be or seen less well.
	Info = "info"
)

// runbooks is where the pages about alerts are.
const runbooks = "https://github.com/fairlead-dev/fairlead/blob/main/docs/runbooks/"

// Alert is one rule. Its texts are templates of Prometheus.
type Alert struct {
	Name        string // with the prefix Fairlead
	Expr        string // PromQL
	For         string // how long Expr has to hold, such as "15m"
	Severity    string
	Summary     string // one line that names the cluster, or what else it is about
	Description string // what it means, and what to look at first
}

// rule is an alert as Prometheus reads it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations annotations       `yaml:"annotations"`
}

type annotations struct {
	Summary     string `yaml:"summary"`
	Description string `yaml:"description"`
	RunbookURL  string `yaml:"runbook_url"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

// Rules returns alerts.yaml: a file of rules as Prometheus reads it.
func Rules() ([]byte, error) {
	all := group{Name: "fairlead"}
	for _, a := range Alerts() {
		all.Rules = append(all.Rules, rule{
			Alert: a.Name, Expr: a.Expr, For: a.For, Labels: map[string]string{"severity": a.Severity},
			Annotations: annotations{Summary: a.Summary, Description: a.Description, RunbookURL: runbooks + a.Name + ".md"},
		})
	}
	var b bytes.Buffer
	b.WriteString("# Alert rules of Fairlead, for Prometheus. Written by `make mixin`: change deploy/mixin/alerts.go instead.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(struct {
		Groups []group `yaml:"groups"`
	}{[]group{all}}); err != nil {
		return nil, fmt.Errorf("write rules: %w", err)
	}
	return b.Bytes(), e.Close()
}

// by is the labels of an aggregation that tells installations apart, with further ones.
func by(labels ...string) string {
	return "by (" + strings.Join(append([]string{"namespace", "job"}, labels...), ", ") + ")"
}
