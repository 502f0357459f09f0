package spec

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// places is a family with one kind of each form.
var places = &Table{
	Family: "place",
	Forms: []Form{
		{Scheme: "nowhere", Usage: "nowhere:", Summary: "no place", Rest: Nothing},
		{Scheme: "path", Usage: "path:PATH", Summary: "a place in the file system", Rest: Literal},
		{Scheme: "room", Usage: "room:NAME", Summary: "a room", Params: []Param{
			{Name: "doors", Type: Integer, Default: "1", Unit: "doors", Min: 1, Max: 9, Meaning: "how many"},
			{Name: "area", Type: Bytes, Default: "1Ki", Min: 1, Max: 1 << 20, Meaning: "how large"},
			{Name: "wait", Type: Duration, Default: "1s", Meaning: "how long"},
			{Name: "lit", Type: Bool, Meaning: "whether it is"},
			{Name: "with", Type: List, Meaning: "what is in it"},
			{Name: "wall", Type: Choice, Default: "brick", Choices: []string{"brick", "glass"}, Meaning: "what it is of"},
		}},
		{Scheme: "data", Usage: "data://HOST/PLACE?table=TABLE", Summary: "a database", Rest: URL, User: true, Credentials: "passwordFile",
			Params: []Param{
				{Name: "table", Required: true, Meaning: "where in it"},
				{Name: "passwordFile", Type: File, Meaning: "what is in it"},
			}},
		{Scheme: "web", Usage: "web://HOST", Summary: "a server", Rest: URL},
		{Scheme: "site", Usage: "site:http://HOST/PAGE", Summary: "a site", Rest: HTTP, Credentials: "user and passwordFile",
			Params: []Param{
				{Name: "user", Meaning: "who asks"},
				{Name: "passwordFile", Type: File, Meaning: "what is in it"},
			}},
	},
	Common: []Param{Named},
}

func TestTheFamilyIsValid(t *testing.T) {
	if err := places.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateFindsMistakes(t *testing.T) {
	for name, f := range map[string]Form{
		"scheme":      {Scheme: "A", Usage: "A:", Summary: "x"},
		"usage":       {Scheme: "a", Usage: "b:", Summary: "x"},
		"summary":     {Scheme: "a", Usage: "a:"},
		"default":     {Scheme: "a", Usage: "a:", Summary: "x", Params: []Param{{Name: "n", Type: Integer, Default: "x", Meaning: "x"}}},
		"choices":     {Scheme: "a", Usage: "a:", Summary: "x", Params: []Param{{Name: "n", Type: Choice, Meaning: "x"}}},
		"meaning":     {Scheme: "a", Usage: "a:", Summary: "x", Params: []Param{{Name: "n"}}},
		"twice":       {Scheme: "a", Usage: "a:", Summary: "x", Params: []Param{{Name: "n", Meaning: "x"}, {Name: "n", Meaning: "x"}}},
		"required":    {Scheme: "a", Usage: "a:", Summary: "x", Params: []Param{{Name: "n", Meaning: "x", Required: true, Default: "y"}}},
		"bounds":      {Scheme: "a", Usage: "a:", Summary: "x", Params: []Param{{Name: "n", Type: Integer, Meaning: "x", Min: 2, Max: 1}}},
		"credentials": {Scheme: "a", Usage: "a:", Summary: "x", Credentials: "passwordFile"},
	} {
		if f.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	twins := Table{Forms: []Form{places.Forms[0], places.Forms[0]}}
	if twins.Validate() == nil {
		t.Error("two kinds of one scheme: no error")
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Value{
		"nowhere:":                           {Rest: ""},
		"path:/a b":                          {Rest: "/a b"},
		"path:a?b=c":                         {Rest: "a?b=c"},
		"path:what?":                         {Rest: "what?"},
		"path:100%25":                        {Rest: "100%25"},
		"path:a@b:c":                         {Rest: "a@b:c"},
		"path:what?name=x":                   {Rest: "what", HasQuery: true},
		"path:a?b=c?name=x":                  {Rest: "a?b=c", HasQuery: true},
		"path:what??name=x":                  {Rest: "what?", HasQuery: true},
		"room:a+b":                           {Rest: "a+b"},
		"room:a?&doors=2&":                   {Rest: "a", HasQuery: true},
		"room:a?":                            {Rest: "a", HasQuery: true},
		"data://u@h:5432/d?table=t":          {Rest: "//u@h:5432/d", User: "u", Hosts: []string{"h:5432"}, Path: "/d", HasQuery: true},
		"data://H1,h2:9/a%20b?table=t":       {Rest: "//H1,h2:9/a%20b", Hosts: []string{"h1", "h2:9"}, Path: "/a b", HasQuery: true},
		"data://[::1]:5432/d?table=a@b":      {},
		"data://[::1]:5432/d?table=a%40b":    {Rest: "//[::1]:5432/d", Hosts: []string{"[::1]:5432"}, Path: "/d", HasQuery: true},
		"web://h":                            {Rest: "//h", Hosts: []string{"h"}},
		"web://h?name=A-1":                   {Rest: "//h", Hosts: []string{"h"}, HasQuery: true},
		"site:http://h1:80,H2/p":             {Rest: "http://h1:80,H2/p", Hosts: []string{"h1:80", "h2"}, Path: "/p"},
		"site:https://h?user=u":              {Rest: "https://h", Hosts: []string{"h"}, Secure: true, HasQuery: true},
		"data://u%20x@h?table=&passwordFile": {},
	} {
		i, v, err := places.Parse(text)
		if want.Rest == "" && text != "nowhere:" {
			if err == nil {
				t.Errorf("%q is accepted", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want.Text, want.Scheme = text, places.Forms[i].Scheme
		got := *v
		got.form, got.params = nil, nil
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Value{})); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", text, diff)
		}
	}
}

func TestParametersHaveTypesAndDefaults(t *testing.T) {
	_, v, err := places.Parse("room:x?doors=3&area=4Ki&wait=5ms&lit=true&with=a%2Cb,c&with=d&wall=glass&name=n")
	if err != nil {
		t.Fatal(err)
	}
	if v.Int("doors") != 3 || v.Int("area") != 4096 || v.Duration("wait") != 5*time.Millisecond || !v.Bool("lit") ||
		!slices.Equal(v.List("with"), []string{"a,b", "c", "d"}) || v.Str("wall") != "glass" || v.Str("name") != "n" {
		t.Errorf("got %+v", v.params)
	}
	if _, v, err = places.Parse("room:x"); err != nil {
		t.Fatal(err)
	}
	if v.Int("doors") != 1 || v.Int("area") != 1024 || v.Duration("wait") != time.Second || v.Bool("lit") ||
		v.List("with") != nil || v.Str("wall") != "brick" || v.Str("name") != "" || v.Given("doors") {
		t.Error("the defaults are not those of the form")
	}
	for what, get := range map[string]func(){"unknown": func() { v.Int("x") }, "another type": func() { v.Int("lit") }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			get()
		}()
	}
}

// Behind the name of a parameter, a question mark is one of its value's.
func TestValuesHoldQuestionMarks(t *testing.T) {
	table := &Table{Family: "place", Forms: []Form{
		{Scheme: "path", Usage: "path:PATH", Summary: "a place", Rest: Literal, Params: []Param{
			{Name: "where", Type: Texts, Meaning: "which"}, {Name: "note", Meaning: "what"},
		}},
	}}
	const where = "*: object.metadata.?labels['t'].orValue('') == 'a'"
	_, v, err := table.Parse("path:/a?b?where=" + where + "&note=x?where=y")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := v.params["where"].([]string); v.Rest != "/a?b" || len(got) != 1 || got[0] != where || v.Str("note") != "x?where=y" {
		t.Errorf("%+v", v)
	}
}

func TestEveryMistakeIsTold(t *testing.T) {
	for text, want := range map[string][]string{
		"":               {"is empty; write nowhere:, path:PATH"},
		"path":           {`"path" has no scheme; did you mean path?`},
		"rooom:x":        {`no place is called "rooom"; did you mean room?`},
		"nowhere:x":      {`"nowhere:x": nothing may follow the colon`},
		"path:":          {`"path:": nothing follows the colon; write path:PATH`},
		"path:a?Na-me=x": {"parameter Na-me is unknown; did you mean name?"},
		"room:a?door=1&area=x&wait=-1s&lit=yes&with=a,,b&wall=glas&name=a:b&doors=0&doors=2": {
			"parameter door is unknown; did you mean doors?", "area: \"x\" is no number of bytes from 1 to 1Mi",
			"wait: \"-1s\" is no duration", "lit: \"yes\" is neither true nor false", "with: an item of the list is empty",
			"wall: \"glas\" is none of brick, glass; did you mean glass?", "name: \"a:b\" is no name",
			"doors: \"0\" is no whole number from 1 to 9 doors", "doors is given twice",
		},
		"room:a?doors=%zz":            {"write %25 for a percent sign"},
		"room:a?doo":                  {"parameter doo is unknown; did you mean doors?"},
		"room:?doors=x":               {"nothing follows the colon", "doors: the value is not of type integer"},
		"room:a?x":                    {`"room:a": a parameter is unknown; room: has doors`},
		"room:a?b@c=d":                {"no proper name"},
		"data:h":                      {"two slashes must follow the colon", "table is not given: where in it"},
		"data://h:x/d?tabel=t":        {"a port is no number", "a parameter is unknown; data: has table, passwordFile, name", "table is not given"},
		"data://u:p@h/d":              {`"data://h": a password before the host would be shown to all who see this process; give passwordFile instead`, "table is not given"},
		"data://h?table=t&password=p": {"parameter password would be shown", "give passwordFile instead"},
		"data://h?table=t&pass-word=": {"give passwordFile instead"},
		"web://u@h":                   {"what stands before the @ would be shown to all who see this process; web: takes no credential"},
		"web://h?x=1":                 {"parameter x is unknown; web: has name"},
		"data://u:a/b@h/d":            {`"data:...": the text has an @ behind the host`},
		"web://":                      {"a host is empty"},
		"site://h/p":                  {`"site:...": http:// or https:// must follow the colon; write site:http://HOST/PAGE`},
		"site:http:h":                 {"two slashes must follow"},
		"site:ftp://u:p@h":            {`"site:...": the text has an @ behind the host`},
		"site:https://u:p@h/d":        {`"site:https://h": a password before the host would be shown to all who see this process; give user and passwordFile instead`},
		"site:http://u@h/d":           {`"site:http://h": what stands before the @ would be shown`},
		"site:http://u:a/b@h/d":       {`"site:...": the text has an @ behind the host`},
		"site:https://h/d?x=1":        {"parameter x is unknown"},
		"web://[::1":                  {"no closing bracket"},
		"web://[a]":                   {"no IPv6 address"},
		"web://h/%0a":                 {"control character"},
		"room:u:pw@h?doors=x":         {`"room:...": doors: the value is not of type integer`},
		"user:pw@host":                {`"user:...": no place is called "user"`},
		"\xff":                        {"not UTF-8"},
	} {
		_, _, err := places.Parse(text)
		if err == nil {
			t.Errorf("%q is accepted", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: the error lacks %q:\n%v", text, w, err)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(want) && text != "data://h?table=t&password=p" {
			t.Errorf("%q: %d lines, want %d:\n%v", text, n, len(want), err)
		}
	}
}

func TestTextsWithoutAScheme(t *testing.T) {
	table := &Table{Family: "place", Forms: places.Forms, Bare: "path"}
	for text, want := range map[string]string{
		"a/b": "a/b", "./a:b": "./a:b", "a:b": "a:b", "C:\\x": "C:\\x", "path:x": "x", "/x?y=z": "/x?y=z",
		"rooom:x": "rooom:x", "nowere:x": "", "mysql://u:p@h/d": "", "": "",
	} {
		_, v, err := table.Parse(text)
		if (err == nil) != (want != "") || err == nil && v.Rest != want {
			t.Errorf("%q: got %+v, %v, want %q", text, v, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error shows a password: %v", text, err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"kubeconfig", "dir", "secrets", "clusterprofiles", "name", "max-bytes"}
	for name, want := range map[string]string{
		"kubconfig": "kubeconfig", "Secrets": "secrets", "secret": "secrets", "maxBytes": "max-bytes", "anem": "", "nam": "name", "mame": "name",
		"cluster": "clusterprofiles", "x": "", "": "", "di": "dir", strings.Repeat("n", 99): "",
	} {
		got := strings.Join(Nearest(name, known), " ")
		if got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestDocumentation(t *testing.T) {
	table := &Table{Family: "place", Forms: places.Forms[2:4], Common: places.Common}
	for what, text := range map[string]string{"help": table.Help(), "markdown": table.Markdown()} {
		for _, f := range table.Forms {
			if !strings.Contains(text, f.Usage) || !strings.Contains(text, f.Summary) {
				t.Errorf("%s does not tell of %s:\n%s", what, f.Scheme, text)
			}
			for _, p := range append(f.Params, table.Common...) {
				if !strings.Contains(text, p.Name+"=") || !strings.Contains(text, p.Meaning) || !strings.Contains(text, p.Default) {
					t.Errorf("%s does not tell of %s:\n%s", what, p.Name, text)
				}
			}
		}
	}
	if got := places.Usages(); got != "nowhere:, path:PATH, room:NAME, data://HOST/PLACE?table=TABLE, web://HOST or site:http://HOST/PAGE" {
		t.Error(got)
	}
}
