package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// bulkSize is 1 GiB.
const bulkSize = 1 << 30

// printBulk prints it.
var printBulk = fmt.Sprintf("head -c %d /dev/zero", bulkSize)

// measureLive carries what a command prints, spooled and acknowledged on the way.
func measureLive(b *bench) ([]result, error) {
	s, err := b.pss.ready()
	if err != nil {
		return nil, err
	}
	ours := b.pss.cmd("invoke-command", "--session", s.id(), printBulk)
	peer := b.ssh.overCipher(bulkCipher, printBulk)
	if err := allArrives(b, ours, peer); err != nil {
		return nil, err
	}
	m, err := takeTurns(b.ctx, b.bulk, 0, subject{command: ours}, subject{command: peer})
	if err != nil {
		return nil, err
	}
	return []result{throughput("1 GiB printed by a command", "ssh "+bulkCipher, m[0], m[1], 1.0)}, nil
}

// allArrives runs each command once and checks that it delivers every byte.
func allArrives(b *bench, commands ...command) error {
	for _, c := range commands {
		n, err := c.count(b.ctx)
		if err != nil {
			return err
		}
		if n != bulkSize {
			return fmt.Errorf("%s: %d bytes arrived, not %d", c, n, bulkSize)
		}
	}
	return nil
}

// measureSpooled receives what was spooled while nobody was connected. The peer
// sends a file of the same size, which like the spool is in the page cache.
func measureSpooled(b *bench) ([]result, error) {
	file := filepath.Join(b.dir, "1GiB")
	if err := writeZeros(file); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	peer := b.ssh.overCipher(bulkCipher, "cat "+file)
	check, err := b.spool()
	if err != nil {
		return nil, err
	}
	if err := allArrives(b, b.receive(check), peer); err != nil {
		return nil, err
	}
	var ours, theirs []time.Duration
	for range b.bulk {
		s, err := b.spool()
		if err != nil {
			return nil, err
		}
		m, err := takeTurns(b.ctx, 1, 0, subject{command: b.receive(s)}, subject{command: peer})
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, m[0]), append(theirs, m[1])
		if err := b.pss.remove(b.ctx, []session{*s}); err != nil {
			return nil, err
		}
	}
	return []result{throughput("receive 1 GiB spooled meanwhile", "ssh "+bulkCipher+" cat", median(ours), median(theirs), 1.5)}, nil
}

func (b *bench) receive(s *session) command {
	return b.pss.cmd("receive-pssession", "--computer-name", "localhost", "--instance-id", s.InstanceID)
}

// spool makes a disconnected session whose command has printed 1 GiB and ended.
func (b *bench) spool() (*session, error) {
	const name = "spooled"
	start := b.pss.cmd("invoke-command", "--computer-name", "localhost", "--in-disconnected-session", "--session-name", name, printBulk)
	if _, err := start.time(b.ctx); err != nil {
		return nil, err
	}
	var found *session
	err := until(b.ctx, commandTimeout, func() (bool, error) {
		list, err := b.pss.list(b.ctx, "get-pssession", "--computer-name", "localhost", "--name", name)
		if err != nil {
			return false, err
		}
		for i := range list {
			switch list[i].CommandState {
			case "Finished":
				found = &list[i]
			case "Blocked":
				return false, fmt.Errorf("the output buffer is smaller than 1 GiB: it is a tenth of the free disk at most")
			}
		}
		return found != nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("spooling: %w", err)
	}
	return found, nil
}

// writeZeros makes the peer's file and waits until the disk has it, as it has a
// spool whose command ended while nobody was connected.
func writeZeros(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for range bulkSize / len(block) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Sync()
}
