#if os(Linux)
  import CryptoSuite
  import Glibc

  /// Runs `body` on a stack of its own, and wipes that: what a test does to learn a secret leaves nothing on the stack that
  /// the library runs on.
  func onAnotherStack(_ body: () throws -> Void) throws {
    final class Call {
      let body: () throws -> Void
      var failure: (any Error)?
      init(_ body: @escaping () throws -> Void) { self.body = body }
    }
    let byteCount = 4 << 20
    let stack = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
    // The thread has ended before its stack and the closure go.
    try withoutActuallyEscaping(body) { body in
      let call = Call(body)
      var attributes = pthread_attr_t()
      unsafe pthread_attr_init(&attributes)
      unsafe pthread_attr_setstack(&attributes, stack, byteCount)
      var thread = pthread_t()
      let status = unsafe pthread_create(
        &thread, &attributes,
        { context in
          guard let context = unsafe context else { return nil }
          let call = unsafe Unmanaged<Call>.fromOpaque(context).takeUnretainedValue()
          do { try call.body() } catch { call.failure = error }
          return nil
        }, Unmanaged.passUnretained(call).toOpaque())
      precondition(status == 0, "a thread starts")
      pthread_join(thread, nil)
      if let failure = call.failure { throw failure }
    }
    unsafe explicit_bzero(stack, byteCount)
    unsafe stack.deallocate()
  }

  /// Secrets to look for in the memory of this process.
  ///
  /// The record must not be found itself: it holds every run of eight bytes of each secret with all bytes masked by one
  /// constant, and reads a secret byte by byte, so that no variable of this code ever holds a run in the clear. Eight
  /// random bytes do not occur twice by chance, and a freed block of memory often keeps only a part of what was in it.
  struct SecretRecord {
    private static let mask: UInt8 = 0xA7
    private static let wideMask: UInt64 = 0xA7A7_A7A7_A7A7_A7A7

    private(set) var names: [String] = []
    /// From a masked run to the secrets that it comes from: the first of that content.
    private var runs: [UInt64: Int] = [:]

    var isEmpty: Bool { runs.isEmpty }

    mutating func note(_ name: String, _ secret: Secret?) {
      guard let secret, !isKnown(secret) else { return }
      note(name, secret, pad: 0)
      // HMAC (RFC 2104) keeps the key in two such forms while it computes.
      note("\(name), inner pad", secret, pad: 0x36)
      note("\(name), outer pad", secret, pad: 0x5c)
    }

    private mutating func note(_ name: String, _ secret: Secret, pad: UInt8) {
      let index = names.count
      names.append(name)
      secret.withSpan { span in
        var run: UInt64 = 0
        for position in 0..<span.count {
          run = run >> 8 | UInt64(span[position] ^ pad ^ Self.mask) << 56
          if position >= 7, isTelling(run), runs[run] == nil { runs[run] = index }
        }
      }
    }

    private func isKnown(_ secret: Secret) -> Bool {
      guard secret.byteCount >= 8 else { return true }
      return secret.withSpan { span in
        var run: UInt64 = 0
        for position in 0..<8 { run = run >> 8 | UInt64(span[position] ^ Self.mask) << 56 }
        return runs[run] != nil
      }
    }

    /// Runs of one byte, such as of the zeros that stand for an absent secret, are everywhere.
    private func isTelling(_ run: UInt64) -> Bool {
      run != (run >> 8 | run << 56)
    }

    /// Together with what `other` holds, under names that begin with `prefix`.
    func adding(_ other: SecretRecord, as prefix: String) -> SecretRecord {
      var result = self
      for (run, index) in other.runs { result.runs[run] = names.count + index }
      result.names += other.names.map { "\(prefix): \($0)" }
      return result
    }

    /// Without what `other` holds too.
    func subtracting(_ other: SecretRecord) -> SecretRecord {
      var result = self
      for run in other.runs.keys { result.runs[run] = nil }
      return result
    }

    /// Looks through everything that this process can write and shares with nobody: heap, stacks, globals.
    ///
    /// - Returns: the name of each secret of which something was found, how many runs, and in what kind of memory.
    func scan() -> [Finding] {
      // One bit for each tag of a run, so that nearly all memory is passed over without a look at the table.
      let filter = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << (Self.tagBitCount - 3))
      unsafe filter.initialize(repeating: 0, count: 1 << (Self.tagBitCount - 3))
      defer { unsafe filter.deallocate() }
      for run in runs.keys {
        let tag = tag(run)
        unsafe filter[tag &>> 3] |= 1 &<< UInt8(tag & 7)
      }
      var found: [Finding.Key: Int] = [:]
      for mapping in Mapping.ownWritable() {
        // The mapping is readable, and nobody but this thread runs to unmap it.
        guard let start = unsafe UnsafePointer<UInt64>(bitPattern: mapping.start) else { continue }
        let count = (mapping.end - mapping.start) / 8
        var low = unsafe start[0]
        // Plain loops, for this is not optimised code.
        var index = 1
        while index < count {
          let high = unsafe start[index]
          index &+= 1
          if low | high == 0 { continue }
          var run = low
          var next = high
          var shift = 0
          while shift < 8 {
            let masked = run ^ Self.wideMask
            let tag = tag(masked)
            if unsafe filter[tag &>> 3] &>> UInt8(tag & 7) & 1 != 0, let name = runs[masked] {
              found[Finding.Key(name: names[name], place: mapping.kind), default: 0] += 1
            }
            run = run &>> 8 | next &<< 56
            next = next &>> 8
            shift &+= 1
          }
          low = high
        }
      }
      return found.map { Finding(key: $0.key, runs: $0.value) }.sorted { $0.key.name < $1.key.name }
    }

    private static let tagBitCount = 26

    private func tag(_ run: UInt64) -> Int { Int(truncatingIfNeeded: (run &* 0x9E37_79B9_7F4A_7C15) &>> 38) }
  }

  /// A secret that is still in memory.
  struct Finding: CustomStringConvertible {
    struct Key: Hashable {
      var name: String
      var place: String
    }

    var key: Key
    var runs: Int

    var name: String { key.name }
    var description: String { "\(key.name): \(runs) runs in \(key.place)" }
  }

  /// A piece of this process's memory.
  private struct Mapping {
    var start: Int
    var end: Int
    var kind: String

    private static func kind(_ range: Range<Int>, _ name: Substring?) -> String {
      var local = 0
      let here = unsafe withUnsafeMutablePointer(to: &local) { Int(bitPattern: $0) }
      if range.contains(here) { return "the stack" }
      guard let name else { return "the heap or another stack" }
      return name.hasPrefix("/") ? "globals" : String(name)
    }

    static func ownWritable() -> [Mapping] {
      guard let file = unsafe fopen("/proc/self/maps", "r") else { return [] }
      defer { unsafe fclose(file) }
      var line = [CChar](repeating: 0, count: 4096)
      var mappings: [Mapping] = []
      while unsafe fgets(&line, 4096, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard fields.count >= 5, fields[1] == "rw-p" else { continue }
        let bounds = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
        guard bounds.count == 2 else { continue }
        mappings.append(Mapping(start: bounds[0], end: bounds[1], kind: kind(bounds[0]..<bounds[1], fields.dropFirst(5).first)))
      }
      return mappings
    }
  }
#endif
