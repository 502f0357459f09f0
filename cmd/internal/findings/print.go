package findings

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
)

// mostOfOne is how many findings of one code are shown as text.
const mostOfOne = 5

// Print writes findings for people: problems first, and one line that sums up what there is.
// What others have written is made printable.
func Print(w io.Writer, c *api.Check) error {
	var b strings.Builder
	for i := 0; i < len(c.Findings); {
		n := i
		for n < len(c.Findings) && c.Findings[n].Code == c.Findings[i].Code && c.Findings[n].Severity == c.Findings[i].Severity {
			n++
		}
		group(&b, c.Findings[i:n])
		i = n
	}
	fmt.Fprintf(&b, "%s. Asked: %s, %s, %s, in %s.\n", Summary(c.Findings), count(len(c.Members), "cluster"), count(c.Streams, "stream"), count(len(c.Sinks), "sink"),
		time.Duration(c.Took*float64(time.Second)).Round(100*time.Millisecond))
	_, err := io.WriteString(w, b.String())
	return err
}

// group writes findings of one code.
func group(b *strings.Builder, all []api.Finding) {
	fmt.Fprintf(b, "%-7s  %s  %s\n", ctl.Visible(string(all[0].Severity)), ctl.Visible(all[0].Code), byCode[all[0].Code].title(all[0].Code))
	for i, one := range all {
		if i == mostOfOne {
			fmt.Fprintf(b, "         and %d more: -o json shows all\n", len(all)-i)
			break
		}
		fmt.Fprintf(b, "         %s\n", ctl.Visible(one.Cause))
	}
	fmt.Fprintf(b, "         -> %s (%s)\n\n", ctl.Visible(all[0].Do), ctl.Visible(all[0].Page))
}

// title is that of a code, which a newer program may have told.
func (c *Code) title(code string) string {
	if c == nil {
		return "see the page for " + ctl.Visible(code)
	}
	return c.Title
}

// Summary counts findings, in words.
func Summary(all []api.Finding) string {
	var parts []string
	for _, s := range []struct {
		of   api.Severity
		name string
	}{{api.SeverityError, "error"}, {api.SeverityWarning, "warning"}} {
		n := 0
		for _, one := range all {
			if one.Severity == s.of {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, count(n, s.name))
		}
	}
	if len(parts) == 0 {
		return "Nothing is wrong"
	}
	return strings.Join(parts, " and ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// JUnit writes findings as test results: a case for each cluster and sink that was asked
// and each other thing that something was found of. Errors are failures; warnings are shown
// as what the case has written.
func JUnit(w io.Writer, c *api.Check) error {
	type failure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class    string    `xml:"classname,attr"`
		Name     string    `xml:"name,attr"`
		Failures []failure `xml:"failure"`
		Out      string    `xml:"system-out,omitempty"`
	}
	type suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	s := suite{Name: "fairlead check", Time: fmt.Sprintf("%.3f", c.Took)}
	of := func(class, name string) *testcase {
		i := slices.IndexFunc(s.Cases, func(t testcase) bool { return t.Class == class && t.Name == name })
		if i < 0 {
			i = len(s.Cases)
			s.Cases = append(s.Cases, testcase{Class: class, Name: name})
		}
		return &s.Cases[i]
	}
	for _, m := range c.Members {
		s.Cases = append(s.Cases, testcase{Class: "cluster", Name: ctl.Visible(m.Cluster)})
	}
	for _, k := range c.Sinks {
		s.Cases = append(s.Cases, testcase{Class: "sink", Name: ctl.Visible(k.Name)})
	}
	for _, one := range c.Findings {
		class, name := "program", "program"
		switch {
		case one.Cluster != "":
			class, name = "cluster", one.Cluster
		case one.Route != "":
			class, name = "sink", one.Route
		case one.Source != "":
			name = one.Source
		}
		t, cause := of(class, ctl.Visible(name)), ctl.Visible(one.Cause)
		if one.Severity == api.SeverityError {
			t.Failures = append(t.Failures, failure{one.Code, cause, ctl.Visible(one.Do + " " + one.Page)})
		} else {
			t.Out += fmt.Sprintf("%s %s %s %s\n", one.Severity, one.Code, cause, ctl.Visible(one.Do))
		}
	}
	s.Tests = len(s.Cases)
	for _, t := range s.Cases {
		if len(t.Failures) > 0 {
			s.Failures++
		}
	}
	text, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit's XML: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}
