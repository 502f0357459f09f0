package app

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

func newFilterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "filter",
		Short: "Try rules of selection on objects in a file",
		Long:  "Tries the rules by which fairlead run selects what it delivers. docs/selection.md describes them.",
	}
	return parent(cmd, newFilterTestCommand())
}

// filterFlags are the flags of fairlead filter test.
type filterFlags struct {
	texts        selection.Texts
	keyFile      string
	cluster      string
	labels       map[string]string
	resource     string
	output       string
	secretValues bool
}

func newFilterTestCommand() *cobra.Command {
	var c filterFlags
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Say of each object or event in a file what would become of it, and why",
		Long: "Reads objects, lists of objects, frames of a watch, or events that Fairlead wrote, as JSON\n" +
			"or YAML, from FILE, or from the standard input if that is -. Several states of one object\n" +
			"stand in the order in which they came. Each gets a verdict:\n" +
			"  delivered             as --output json shows it\n" +
			"  delivered as deleted  it was selected before, and is not any more\n" +
			"  unchanged             no field that counts has changed since the state before\n" +
			"  filtered              it is not selected\n" +
			"The rules work as in fairlead run. The plural of a kind is guessed; --resource names it.",
		Example: "  kubectl get pods -A -o json | fairlead filter test --where \"pods: object.status.phase == 'Failed'\" -\n" +
			"  kubectl get nodes --watch -o json | fairlead filter test --preset heartbeats -\n" +
			"  fairlead filter test --only metadata.labels --output json changes.jsonl | jq .data",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which file? Give its path, or - for the standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := c.test()
			if err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close() //nolint:errcheck // it was only read
				in = f
			}
			return t.run(in, cmd.OutOrStdout(), cmd.ErrOrStderr(), c.output)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	for _, flag := range selectionFlags {
		f.StringArrayVar(flag.of(&c.texts), flag.name, nil, flag.usage)
	}
	f.StringVar(&c.keyFile, "redact-key-file", "", "a file with the key of the hashes (default: a key for this test)")
	f.StringVar(&c.cluster, "cluster", "", "the name that expressions find as cluster.name (default: as events say)")
	f.StringToStringVar(&c.labels, "cluster-labels", nil, "the labels that expressions find as cluster.labels")
	f.StringVar(&c.resource, "resource", "", "PLURAL[.GROUP] of all objects (default: guessed from kind and apiVersion)")
	f.BoolVar(&c.secretValues, "include-secret-values", false, "as fairlead run is given it: without it, Secrets have only their metadata")
	f.StringVar(&c.output, "output", "table", "table, or json: one verdict per line, with the object as it would be delivered")
	return cmd
}

func (c *filterFlags) test() (*filterTest, error) {
	if c.output != "table" && c.output != "json" {
		return nil, fmt.Errorf("--output %q is neither table nor json", c.output)
	}
	key := make([]byte, selection.MinRedactKey)
	_, _ = rand.Read(key) // never fails
	if c.keyFile != "" {
		var err error
		if key, err = (&Config{RedactKeyFile: c.keyFile}).readRedactKey(); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(checkFlagsOfRules(&c.texts, selection.ParseOptions{RedactKey: key})...); err != nil {
		return nil, err
	}
	t, err := newFilterTest(c.texts, selection.ParseOptions{RedactKey: key}, selection.Cluster{Name: c.cluster, Labels: c.labels})
	if err != nil {
		return nil, err
	}
	t.secretValues, t.resourceNamed = c.secretValues, schema.ParseGroupResource(c.resource)
	return t, nil
}

// run tells the verdict about each input, and counts them.
func (t *filterTest) run(in io.Reader, out, stderr io.Writer, output string) error {
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	counts := map[string]int{}
	for input, err := range filterInputs(in) {
		if err != nil {
			return err
		}
		v, err := t.decide(input)
		if err != nil {
			return err
		}
		if counts[v.Verdict]++; output == "json" {
			err = lines.Encode(v)
		} else {
			err = v.writeRow(out)
		}
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(stderr, "%d delivered, %d delivered as deleted, %d unchanged, %d filtered\n",
		counts[verdictDelivered], counts[verdictGone], counts[verdictUnchanged], counts[verdictFiltered])
	return err
}

// writeRow writes the row of a table. It is written at once and not aligned with others,
// as the input may be a watch that goes on.
func (v *filterVerdict) writeRow(w io.Writer) error {
	const row = "%-5s  %-20s  %-7s  %s: %s\n"
	if v.Input == 1 {
		if _, err := fmt.Fprintf(w, row, "INPUT", "VERDICT", "OP", "OBJECT", "REASON"); err != nil {
			return err
		}
	}
	name := v.Name
	if v.Namespace != "" {
		name = v.Namespace + "/" + name
	}
	reason := v.Reason
	if v.Error != "" {
		reason += "; it passes because of an error: " + v.Error
	}
	_, err := fmt.Fprintf(w, row, strconv.Itoa(v.Input), v.Verdict, v.Op, ctl.Printable(v.Resource+" "+name), ctl.Printable(reason))
	return err
}
