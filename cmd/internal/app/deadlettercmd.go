package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

func newDeadLetterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letter",
		Short: "List what sinks refused for good, or have it sent again",
	}
	return parent(cmd, newDeadLetterListCommand(), newDeadLetterRetryCommand())
}

func newDeadLetterRetryCommand() *cobra.Command {
	var c ctl.Client
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "retry",
		Short: "Have a running program send its dead letters again",
		Long: "Has a running program send its dead letters to its sinks again, to all of them.\n" +
			"Only a state that is still the newest of its object is sent; one that a newer state\n" +
			"has superseded is dropped. A deletion is sent unless its object exists again; if another\n" +
			"object has the name by now, the state of that one is delivered once more behind it. What\n" +
			"a sink refuses again is in the file again. What cannot be sent now, because its cluster is\n" +
			"not in the fleet for one, stays there; what waits for another state or a snapshot is\n" +
			"tried again for a minute before. If that takes longer than --wait, it goes on: run the\n" +
			"command again meanwhile to see how far it is, and why records are kept. That also sends\n" +
			"what there is by then for other sinks and clusters than those that it waits for.",
		Args: ctl.NoArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s resendingStatus
			query := url.Values{"wait": {wait.String()}}
			err := c.Post(cmd.Context(), cmd.ErrOrStderr(), "/dead-letter/retry", query, wait, &s, http.StatusOK, http.StatusAccepted, http.StatusInternalServerError)
			if err != nil {
				return err
			}
			if err := printResending(cmd.OutOrStdout(), s); err != nil {
				return err
			}
			if s.Error != "" {
				return errors.New(ctl.Visible(s.Error))
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", defaultWait, fmt.Sprintf("how long to wait for the sinks, up to %v; what takes longer goes on", longestWait))
	c.AddFlag(cmd.Flags())
	return cmd
}

func printResending(out io.Writer, s resendingStatus) error {
	var b strings.Builder
	if s.Records == 0 && s.State != goingOn && s.Error == "" {
		b.WriteString("No dead letters\n")
	} else {
		fmt.Fprintf(&b, "%d dead letters: %d delivered, %d refused again, %d superseded, %d kept", s.Records, s.Delivered, s.RefusedAgain, s.Superseded, s.Kept)
		if s.State == goingOn {
			fmt.Fprintf(&b, ", %d on their way; it goes on, and the same command says how far it is", s.Waiting)
		}
		b.WriteString("\n")
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
		fmt.Fprintf(&b, "kept %d: %s\n", s.Reasons[reason], ctl.Visible(reason))
	}
	if s.Earlier > 0 {
		fmt.Fprintf(&b, "%d more are on their way since earlier retries\n", s.Earlier)
	}
	for _, l := range s.Lanes {
		fmt.Fprintf(&b, "on their way to %s from cluster %s: %d\n", ctl.Visible(l.Sink), ctl.Visible(l.Cluster), l.Waiting)
	}
	if s.MoreLanes > 0 {
		fmt.Fprintf(&b, "and to %d more sinks and clusters\n", s.MoreLanes)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func newDeadLetterListCommand() *cobra.Command {
	var path, output string
	cmd := &cobra.Command{
		Use:     "list --dead-letter PATH",
		Short:   "List what is in a file of dead letters",
		Example: "  fairlead dead-letter list --dead-letter dead.jsonl --output json | jq .event.data",
		Args:    ctl.NoArgs("name the file with --dead-letter"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return errors.New("which file? Give --dead-letter PATH, as fairlead run was given it")
			}
			var print func(deadletter.Record) error
			flush := func() error { return nil }
			switch output {
			case "json":
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				print = func(r deadletter.Record) error { return e.Encode(r) }
			case "table":
				print, flush = newDeadLetterTable(cmd.OutOrStdout())
			default:
				return fmt.Errorf("--output %q is neither table nor json", output)
			}
			bad, err := listDeadLetters(path, print, cmd.ErrOrStderr())
			if err := errors.Join(err, flush()); err != nil {
				return err
			}
			if bad > 0 {
				return fmt.Errorf("%d lines are no dead letters; is this the file that fairlead run was given as --dead-letter?", bad)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "dead-letter", "", "the file; required")
	cmd.Flags().StringVar(&output, "output", "table", "table, or json: one record per line, with its event")
	return cmd
}

// mostBadLines bounds how many lines that are no dead letters are told of: a
// file that is something else has nothing but such lines.
const mostBadLines = 10

// listDeadLetters prints what is being sent again and what waits, and says on
// stderr which lines, of which it returns the number, are something else.
func listDeadLetters(path string, print func(deadletter.Record) error, stderr io.Writer) (bad int, err error) {
	var missing []error
	files := deadletter.Files(path)
	for _, path := range files {
		for r, err := range deadletter.Read(path) {
			switch {
			case err == nil:
				err = print(r)
			case errors.Is(err, fs.ErrNotExist):
				missing = append(missing, err)
				err = nil
			case r.Line > 0:
				if bad++; bad <= mostBadLines {
					_, err = fmt.Fprintln(stderr, err)
				} else {
					err = nil
				}
			case errors.Is(err, syscall.EISDIR):
				err = fmt.Errorf("%w; name the file in it that fairlead run was given as --dead-letter", err)
			}
			if err != nil {
				return bad, err
			}
		}
	}
	if len(missing) == len(files) {
		return 0, fmt.Errorf("%w; name the file that fairlead run was given as --dead-letter", missing[len(missing)-1])
	}
	if more := bad - mostBadLines; more > 0 {
		_, err = fmt.Fprintf(stderr, "and %d more lines\n", more)
	}
	return bad, err
}

// newDeadLetterTable returns what prints a row and what prints the rest.
func newDeadLetterTable(out io.Writer) (row func(deadletter.Record) error, flush func() error) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := 0
	row = func(r deadletter.Record) error {
		if rows == 0 {
			if _, err := fmt.Fprintln(w, "TIME\tSINK\tOP\tOBJECT\tATTEMPTS\tREASON"); err != nil {
				return err
			}
		}
		e := &r.Event
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", r.Time.Format(time.RFC3339), ctl.Printable(r.Sink), e.Op(),
			ctl.Printable(e.Key().String()), r.Attempts, ctl.Printable(r.Reason))
		if rows++; err == nil && rows%1000 == 0 {
			err = w.Flush() // the writer holds on to all that it aligns
		}
		return err
	}
	return row, w.Flush
}
