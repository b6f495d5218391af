import Foundation
import MailboxServer
import Testing

struct TLSMaterialTests {
  @Test func `self-made material is kept, readable by its owner only, until it is rotated`() async throws {
    try await withTemporaryFile { file in
      let made = try TLSMaterial.loadOrMake(file: file)
      #expect(made.leafSPKIHash.count == 32)
      let permissions = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
      #expect(permissions == 0o600)
      #expect(try TLSMaterial.loadOrMake(file: file).leafSPKIHash == made.leafSPKIHash)
      #expect(try TLSMaterial.load(certificateFile: file, keyFile: file).leafSPKIHash == made.leafSPKIHash)
      let rotated = try TLSMaterial.make(file: file)
      #expect(rotated.leafSPKIHash != made.leafSPKIHash)
      #expect(try TLSMaterial.loadOrMake(file: file).leafSPKIHash == rotated.leafSPKIHash)
      #expect(try FileManager.default.contentsOfDirectory(atPath: (file as NSString).deletingLastPathComponent).count == 1)
    }
  }

  @Test func `files that are missing, empty or foreign are refused`() async throws {
    try await withTemporaryFile { file in
      #expect(throws: TLSMaterialError.unreadable) { try TLSMaterial.load(certificateFile: file, keyFile: file) }
      try Data("no certificate".utf8).write(to: URL(filePath: file))
      // Whatever the mask of new files is.
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
      #expect(throws: TLSMaterialError.keyExposed) { try TLSMaterial.loadOrMake(file: file) }
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
      #expect(throws: TLSMaterialError.unreadable) { try TLSMaterial.loadOrMake(file: file) }
      #expect(throws: TLSMaterialError.self) { try TLSMaterial.make(file: file + "/below/a/file") }
    }
  }

  @Test func `every fault of a certificate's files is named`() async throws {
    try await withTemporaryFile { file in
      let (other, text) = (file + ".other", file + ".text")
      _ = try TLSMaterial.make(file: file)
      _ = try TLSMaterial.make(file: other)
      try Data("no certificate".utf8).write(to: URL(filePath: text))
      #expect(TLSMaterial.faults(certificateFile: file, keyFile: file) == [])
      for bad in [text, "/nowhere"] {
        #expect(TLSMaterial.faults(certificateFile: bad, keyFile: file) == [.noCertificate])
        #expect(TLSMaterial.faults(certificateFile: file, keyFile: bad) == [.noKey])
        #expect(TLSMaterial.faults(certificateFile: bad, keyFile: bad) == [.noCertificate, .noKey])
      }
      #expect(TLSMaterial.faults(certificateFile: file, keyFile: other) == [.notOfOneKind])
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: other)
      #expect(TLSMaterial.faults(certificateFile: text, keyFile: other) == [.noCertificate, .keyExposed])
    }
  }

  @Test func `a self-made certificate is replaced, with its key, when it ends within a month`() async throws {
    try await withTemporaryFile { file in
      let made = try TLSMaterial.loadOrMake(file: file)
      let month: UInt64 = 30 * 86_400
      #expect(try TLSMaterial.loadOrMake(file: file, now: made.notAfter - month).leafSPKIHash == made.leafSPKIHash)
      let next = try TLSMaterial.loadOrMake(file: file, now: made.notAfter - month + 1)
      #expect(next.leafSPKIHash != made.leafSPKIHash)
      #expect(try TLSMaterial.loadOrMake(file: file).leafSPKIHash == next.leafSPKIHash)
      #expect(made.daysLeft(now: made.notAfter) == 0)
    }
  }

  @Test func `a key that is not the certificate's is refused`() async throws {
    try await withTemporaryFile { file in
      let other = file + ".other"
      _ = try TLSMaterial.make(file: file)
      _ = try TLSMaterial.make(file: other)
      #expect(throws: TLSMaterialError.unusable) {
        let mixed = try TLSMaterial.load(certificateFile: file, keyFile: other)
        _ = try MailboxServer(application: EchoApplication(), tls: mixed)
      }
    }
  }
}
