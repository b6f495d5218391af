# Reads the mutations beside the table that they prove; run by scripts/mutate, which says what for.
#
#   perl scripts/lib/mutations.pl check ROOT              prints each way in which table, mutations, sources and tests differ
#   perl scripts/lib/mutations.pl plan ROOT ROWS          prints for each row: batch, number, id and tests, with tabs between
#   perl scripts/lib/mutations.pl apply ROOT FOLDER BATCH copies sources and tests into FOLDER, with the mutations of a batch
#
# A batch is what one build can hold: rows whose places in the sources do not overlap.
use strict;
use warnings;
use File::Basename;
use File::Find;
use File::Path;

my $table   = 'docs/validation/mls.md';
my @modules = qw(Sources/Foundations/WireFormat Sources/Foundations/CryptoSuite Sources/Protocols/MLS);
my @tests   = qw(Tests/Foundations/WireFormatTests Tests/Foundations/CryptoSuiteTests Tests/Protocols/MLSTests);
my @support = qw(Tests/Support/TestSupport);

my ($command, $root, @arguments) = @ARGV;
my @problems;

sub problem { push @problems, "@_" }

sub contents {
  my ($path) = @_;
  open my $file, '<', $path or die "cannot read $path: $!\n";
  local $/;
  my $text = <$file>;
  return defined $text ? $text : '';
}

# The rows of all mutation files: {id, line, tests, edits: [{file, old, new}]}.
sub readMutations {
  my @rows;
  for my $path (sort glob "$root/Tests/Mutations/*.txt") {
    my ($row, $file, $edit, $number, $name) = (undef, undef, undef, 0, basename $path);
    for my $line (split /\n/, contents $path) {
      $number++;
      my $at = "$name:$number";
      if ($line =~ /^row (\S+)$/) {
        push @rows, $row = {id => $1, at => $at, tests => [], edits => []};
        ($file, $edit) = ();
      } elsif ($line =~ /^\s*(#.*)?$/) {
        $edit = undef;
      } elsif (!$row) {
        problem "$at: stands before the first row";
      } elsif ($line =~ /^in (\S+)$/) {
        ($file, $edit) = ($1, undef);
      } elsif ($line =~ /^test (.+)$/) {
        push @{$row->{tests}}, $1;
        $edit = undef;
      } elsif ($line =~ /^([-+])(?: (.*))?$/) {
        my ($sign, $text) = ($1, defined $2 ? $2 : '');
        if (!$file) { problem "$at: names no file before its text"; next }
        if ($sign eq '-') {
          push @{$row->{edits}}, $edit = {file => $file, old => [], new => []} if !$edit || @{$edit->{new}};
          push @{$edit->{old}}, $text;
        } elsif ($edit) {
          push @{$edit->{new}}, $text;
        } else {
          problem "$at: a + without a - above";
        }
      } else {
        problem "$at: is none of: row, in, -, +, test, a comment";
      }
    }
  }
  my %seen;
  for my $row (@rows) {
    problem "$row->{at}: row $row->{id} is there twice" if $seen{$row->{id}}++;
    problem "$row->{at}: row $row->{id} changes nothing" if !@{$row->{edits}};
    problem "$row->{at}: row $row->{id} names no test" if !@{$row->{tests}};
    for my $edit (@{$row->{edits}}) {
      $_ = join "\n", @$_ for $edit->{old}, $edit->{new};
      problem "$row->{at}: row $row->{id} is not switched by MUTANT" if $edit->{new} !~ /\bMUTANT\b/;
    }
  }
  return @rows;
}

# Finds each edit in its file: once, or it is a problem.
sub locate {
  my %texts;
  for my $row (@_) {
    for my $edit (@{$row->{edits}}) {
      my $path = "$root/$edit->{file}";
      if (!grep { index($edit->{file}, "$_/") == 0 } @modules) {
        problem "$row->{at}: row $row->{id}: $edit->{file} is none of the sources that are mutated";
        next;
      }
      if (!-f $path) { problem "$row->{at}: row $row->{id}: there is no $edit->{file}"; next }
      my $text = $texts{$path} = exists $texts{$path} ? $texts{$path} : contents $path;
      my $start = index $text, $edit->{old};
      if ($start < 0) {
        problem "$row->{at}: row $row->{id}: not in $edit->{file}: $edit->{old}";
      } elsif (index($text, $edit->{old}, $start + 1) >= 0) {
        problem "$row->{at}: row $row->{id}: more than once in $edit->{file}: $edit->{old}";
      } else {
        @$edit{qw(start end)} = ($start, $start + length $edit->{old});
      }
    }
  }
}

# Numbers the rows, from 1, and gives each the first batch in which its places are free. Equal edits share their place.
sub plan {
  my @batches;
  my $number = 0;
  for my $row (@_) {
    $row->{number} = ++$number;
    my $batch = 0;
    $batch++ while grep { my $edit = $_; grep { overlaps($edit, $_) } @{$batches[$batch]} } @{$row->{edits}};
    $row->{batch} = $batch;
    push @{$batches[$batch]}, @{$row->{edits}};
  }
}

sub overlaps {
  my ($one, $other) = @_;
  return 0 if $one->{file} ne $other->{file};
  return 0 if $one->{old} eq $other->{old} && $one->{new} eq $other->{new};
  return $one->{start} < $other->{end} && $other->{start} < $one->{end};
}

# name -> how many test functions have it.
sub testNames {
  my %count;
  find({no_chdir => 1, wanted => sub {
    return if !/\.swift$/;
    my $text = contents $_;
    $count{$1}++ while $text =~ /func `([^`]+)`\(/g;
  }}, grep { -d } map { "$root/$_" } @tests);
  return \%count;
}

# Rows of a table with five cells: id, section, what is checked, code, test. Rows with four are the application's.
sub readTable {
  my @rows;
  my $number = 0;
  for my $line (split /\n/, contents "$root/$table") {
    $number++;
    next if $line !~ /^\| *([A-Z]+[0-9]+[a-z]?) *\|(.*)\|\s*$/;
    my ($id, @cells) = ($1, split /\|/, $2);
    next if @cells < 4;
    my ($code, $test) = map { [/`([^`]+)`/g] } @cells[-2, -1];
    push @rows, {id => $id, at => "$table:$number", code => $code, tests => $test};
  }
  return @rows;
}

sub sameNames {
  my ($one, $other) = map { my %set = map { $_ => 1 } @$_; join ', ', sort keys %set } @_;
  return $one eq $other ? undef : "$one, and there: $other";
}

sub check {
  my @rows = readMutations();
  locate @rows;
  my $names = testNames();
  my %byID = map { $_->{id} => $_ } @rows;
  for my $row (@rows) {
    for my $test (@{$row->{tests}}) {
      my $count = $names->{$test} || 0;
      problem "$row->{at}: row $row->{id}: $count tests are named: $test" if $count != 1;
    }
  }
  my %inTable;
  for my $line (readTable()) {
    problem "$line->{at}: row $line->{id} is there twice" if $inTable{$line->{id}}++;
    my $row = $byID{$line->{id}};
    if (!$row) { problem "$line->{at}: row $line->{id} has no mutation"; next }
    my $code = sameNames($line->{code}, [map { basename $_->{file}, '.swift' } @{$row->{edits}}]);
    problem "$line->{at}: row $line->{id}: the table names the code $code" if $code;
    my $tests = sameNames($line->{tests}, $row->{tests});
    problem "$line->{at}: row $line->{id}: the table names the tests $tests" if $tests;
  }
  problem "$_->{at}: row $_->{id} is not in $table" for grep { !$inTable{$_->{id}} } @rows;
  return scalar @rows;
}

# Writes only what differs, so that a build after a small change is a small build.
sub place {
  my ($path, $text) = @_;
  return if -f $path && contents($path) eq $text;
  mkpath dirname $path;
  open my $file, '>', $path or die "cannot write $path: $!\n";
  print $file $text;
  close $file or die "cannot write $path: $!\n";
}

sub apply {
  my ($folder, $batch, @rows) = @_;
  my %placed;
  for my $module (@modules, @tests, @support) {
    find({no_chdir => 1, wanted => sub {
      return if !-f || !/\.swift$/;
      my $file = substr $_, length($root) + 1;
      my %edits;
      for my $row (grep { $_->{batch} == $batch } @rows) {
        for my $edit (grep { $_->{file} eq $file } @{$row->{edits}}) {
          my $place = $edits{"$edit->{start} $edit->{end}"} ||= {%$edit, rows => []};
          push @{$place->{rows}}, $row->{number};
        }
      }
      my $text = contents $_;
      for my $edit (sort { $b->{start} <=> $a->{start} } values %edits) {
        my $isOn = '(' . join(' || ', map { "mutant == $_" } @{$edit->{rows}}) . ')';
        (my $new = $edit->{new}) =~ s/\bMUTANT\b/$isOn/g;
        substr $text, $edit->{start}, $edit->{end} - $edit->{start}, $new;
      }
      place("$folder/$file", $text);
      $placed{"$folder/$file"} = 1;
    }}, "$root/$module");
  }
  for my $module (@modules) {
    my $path = "$folder/$module/Mutant.swift";
    place($path, <<'SWIFT');
#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The number of the one mutation that is on in this process; 0 for none.
@usableFromInline let mutant: Int = getenv("SOTTO_MUTANT").flatMap { Int(String(cString: $0)) } ?? 0
SWIFT
    $placed{$path} = 1;
  }
  find({no_chdir => 1, wanted => sub { unlink if /\.swift$/ && !$placed{$_} }},
    grep { -d } "$folder/Sources", "$folder/Tests");
}

if ($command eq 'check') {
  my $count = check();
  print map { "$_\n" } @problems;
  print "$count rows, each with its mutation\n" if !@problems;
  exit(@problems ? 1 : 0);
}
my @rows = readMutations();
locate @rows;
if (@problems) {
  print STDERR map { "$_\n" } @problems;
  exit 1;
}
plan @rows;
if ($command eq 'plan') {
  my $wanted = join '|', map { (my $row = quotemeta) =~ s/\\\*/.*/g; $row } split /[ ,]+/, $arguments[0];
  for my $row (grep { $_->{id} =~ /^(?:$wanted)$/ } @rows) {
    print join("\t", @$row{qw(batch number id)}, @{$row->{tests}}), "\n";
  }
} else {
  apply(@arguments, @rows);
}
