char cuFileBufDeregister[64];
char cuFileBufRegister[64];
char cuFileHandleDeregister[64];
char cuFileHandleRegister[64];
char cuFileRead[64];
char cuFileWrite[64];
