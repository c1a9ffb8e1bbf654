package configs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is the longest password that PAP can carry, in octets.
const maxSecret = 255

// password finds the uplink's password: from the file itself, from a file of its
// own, or among systemd's credentials.
func (l *loader) password(r *rawUplink) Secret {
	ways := 0
	for _, given := range []bool{r.Password != nil, r.PasswordFile != "", r.Credential != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0:
		l.wrong("password-file", "is missing; or password:, or credential:")
		return ""
	case ways > 1:
		l.wrong("password-file", "stands beside another password; only one of password-file, password, credential")
		return ""
	case r.Password != nil:
		if info, err := os.Stat(l.file); err == nil {
			if err := readable(info); err != nil {
				l.wrong("password", "stands in a file that %v", err)
			}
		}
		return l.secret("password", *r.Password)
	case r.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		switch {
		case strings.ContainsRune(r.Credential, '/'):
			l.wrong("credential", "%q is no name of a credential", r.Credential)
			return ""
		case dir == "":
			l.cannotCheck("credential", "%q is known only where systemd runs pppoectl (LoadCredential=)", r.Credential)
			return ""
		}
		return l.secretFile("credential", filepath.Join(dir, r.Credential), false)
	}
	return l.secretFile("password-file", r.PasswordFile, true)
}

// secretFile reads the first line of file.
func (l *loader) secretFile(key, file string, private bool) Secret {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
		l.cannotCheck(key, "%s cannot be read by you; it was not checked", file)
		return ""
	}
	var path *os.PathError
	if errors.As(err, &path) {
		l.wrong(key, "%s: %v", path.Path, path.Err)
		return ""
	}
	if err != nil {
		l.wrong(key, "%v", err)
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		l.wrong(key, "%v", err)
		return ""
	case !info.Mode().IsRegular():
		l.wrong(key, "%s is no regular file", file)
		return ""
	}
	l.seen(info)
	if err := readable(info); err != nil && private {
		l.wrong(key, "%s %v", file, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		l.wrong(key, "%s: %v", file, err)
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		l.wrong(key, "%s is empty; its first line is the password", file)
		return ""
	}
	return l.secret(key, line)
}

func (l *loader) secret(key, s string) Secret {
	switch {
	case s == "":
		l.wrong(key, "is empty")
	case len(s) > maxSecret:
		l.wrong(key, "is longer than %d octets", maxSecret)
	}
	return Secret(s)
}
