package ctl

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// NewSupportBundle returns the command support-bundle of a program that describes itself
// so.
func NewSupportBundle(description string) *cobra.Command {
	var c Client
	var path string
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Write what somebody who helps needs to know into one file, without credentials",
		Long: "Writes what the running program tells of itself into one file: how each cluster, stream, sink and\n" +
			"the ledger is, versions, metrics, and the flags in effect. Of a program in Pods it is that of\n" +
			"all of them, with the ends of their logs. No object of a member is in it, but names of clusters,\n" +
			"resources and hosts are. Credentials, and what looks like one, are left out: look into it\n" +
			"before you give it to somebody all the same.\n\n" +
			"What could not be got is named in its README. The exit code is 2 if that is everything.",
		Example: "  fairlead support-bundle -o bundle.tar.gz\n  fairlead support-bundle -n fairlead",
		Args:    NoArgs("name the file with -o"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			now := time.Now().UTC()
			at, err := c.way(cmd.Context())
			if err != nil {
				return Unasked(err)
			}
			path := path
			if path == "" {
				path = "fairlead-support-" + now.Format("20060102T150405Z") + ".tar.gz"
			}
			to, end, err := create(path, cmd.OutOrStdout())
			if err != nil {
				return Unasked(err)
			}
			b := newBundle(to, now, at)
			b.collect(cmd.Context(), at)
			if err := errors.Join(b.close(description), end()); err != nil {
				return Unasked(fmt.Errorf("write %s: %w", path, err))
			}
			if b.got == 0 {
				if path != "-" {
					_ = os.Remove(path) // nothing is in it
				}
				return Unasked(errors.New("nothing could be got:\n" + strings.Join(b.missing, "\n")))
			}
			if path != "-" {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has %d files; %d things could not be got, see its README\n", path, b.got, len(b.missing))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&path, "output", "o", "", "the file, which must not be there yet; - is stdout (default: fairlead-support-TIME.tar.gz)")
	c.AddFlag(cmd.Flags())
	return cmd
}

// create makes a file that only its owner can read.
func create(path string, stdout io.Writer) (w io.Writer, end func() error, err error) {
	if path == "-" {
		return stdout, func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("make the bundle: %w; name another file with -o", err)
	}
	return f, f.Close, nil
}

// bundle is an archive that is being written.
type bundle struct {
	redact  *redact.Redactor
	now     time.Time
	zip     *gzip.Writer
	tar     *tar.Writer
	err     error    // of the archive: after it nothing is written
	got     int      // files
	missing []string // what could not be got, and why
}

func newBundle(to io.Writer, now time.Time, at *way) *bundle {
	zip := gzip.NewWriter(to)
	return &bundle{redact: at.redactor(), now: now, zip: zip, tar: tar.NewWriter(zip)}
}

// redactor knows the credentials of whoever asks.
func (w *way) redactor() *redact.Redactor {
	if w.pods != nil {
		return w.pods.redact
	}
	password, _ := w.url.User.Password()
	return redact.New(password)
}

// add adds a file, without credentials.
func (b *bundle) add(name string, text []byte) {
	b.got++
	b.write(name, b.redact.CleanAll(string(text)))
}

func (b *bundle) write(name, text string) {
	if b.err != nil {
		return
	}
	header := &tar.Header{Name: "fairlead-support/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: b.now, Format: tar.FormatPAX}
	if b.err = b.tar.WriteHeader(header); b.err == nil {
		_, b.err = io.WriteString(b.tar, text)
	}
}

// lack notes what could not be got.
func (b *bundle) lack(name string, err error) {
	b.missing = append(b.missing, name+": "+b.redact.Text(err))
}

// close writes the README and ends the archive.
func (b *bundle) close(description string) error {
	text := "Made by fairlead " + description + " at " + b.now.Format(time.RFC3339) + ".\n\n" +
		"A folder for each process: clusters.json (see docs/clusters.md), flags.json (in effect), version.json,\n" +
		"readyz.txt, metrics.txt and, of Pods, log.txt and log-before.txt, which is that of the container before.\n\n" +
		"Credentials, and what looks like one, are " + redact.Redacted + ".\n"
	if len(b.missing) > 0 {
		text += "\nNot to be had:\n" + strings.Join(b.missing, "\n") + "\n"
	}
	b.write("README.txt", text)
	return errors.Join(b.err, b.tar.Close(), b.zip.Close())
}
